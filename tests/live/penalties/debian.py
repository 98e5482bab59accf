"""The root directory of a Debian 13 with OpenSSH 10: unpacked from the machine's own Debian archive, made once."""

import os
import platform
import shutil
from pathlib import Path

from sandbox.commands import CommandFailed, run
from sandbox.layout import Layout

_RELEASE = "trixie"
_PACKAGES = ("base-files", "bash", "coreutils", "dash", "openssh-server")  # with all that they depend on
_UNREAD = ("doc", "info", "locale", "man")  # below /usr/share
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_NULL = os.makedev(1, 3)  # null(4)


class NotMade(Exception):
    """The root directory cannot be made here; the message says what is missing."""


def root(layout: Layout) -> Path:
    """Return the root directory, made at the first call (some seconds, 30 MB from the archive, 100 MB unpacked).

    The packages are unpacked, not installed: it has no accounts and no configuration but what the packages contain.
    Raises NotMade.
    """
    place, contents = layout.state / "debian-13", f"{_RELEASE}: {' '.join(_PACKAGES)}\n"
    label = place / "contents"
    if not label.exists() or label.read_text() != contents:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700, parents=True)  # its setuid programs are for nobody outside of it
        try:
            _unpack(place)
        except (CommandFailed, OSError) as exc:
            raise NotMade(f"no {_RELEASE} with {', '.join(_PACKAGES)}: {exc}") from exc
        label.write_text(contents)
    return place / "root"


def _unpack(place: Path) -> None:
    apt = _apt(place / "apt")
    run([*apt, "update", "-qq"], timeout=300)
    run([*apt, "install", "-qq", "--yes", "--download-only", "--no-install-recommends", *_PACKAGES], timeout=600)
    target = place / "root"
    target.mkdir(mode=0o755)
    for package in sorted((place / "apt" / "archives").glob("*.deb")):
        run(["dpkg-deb", "--extract", package, target])
    for name in _UNREAD:
        shutil.rmtree(target / "usr/share" / name)
    shutil.rmtree(place / "apt")
    _make_null(target / "dev" / "null")


def _apt(folder: Path) -> list[str | Path]:
    """Return apt-get's command line for the other release, with nothing installed yet and a state of its own.

    Everything else, such as a proxy, is as the machine has it (apt.conf(5)).
    """
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    sources = folder / "sources.list"
    sources.write_text(f"deb [signed-by={_KEYRING}] {_archive()} {_RELEASE} main\n")
    settings = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State": folder,
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Cache::archives": folder / "archives",
    }
    return ["apt-get", *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]


def _archive() -> str:
    """Return the address of the Debian archive from which this machine is installed."""
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    asked = ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"]
    for line in run(asked).splitlines():
        release, component, address = line.split(maxsplit=2)
        if (release, component) == (codename, "main"):
            return address
    raise NotMade(f"apt's sources name no archive with main of {codename or 'this release'}")


def _make_null(path: Path) -> None:
    """Make the one device that sshd cannot do without, and make sure that it works on this file system."""
    path.parent.mkdir(exist_ok=True)
    os.mknod(path, 0o020666, _NULL)
    path.chmod(0o666)
    try:
        path.write_text("")
    except PermissionError as exc:
        raise NotMade(f"devices do not work below {path.parent}: is it mounted with nodev?") from exc
