"""The script that submits, run by every shell that may be /bin/sh on a login node: nothing of a caller is evaluated."""

import getpass
import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from clusters import scripts, shell

TOKEN = uuid.UUID("0123456789abcdef0123456789abcdef")
MARKER = shell.marker(TOKEN)
SCRIPT = "#!/bin/sh\necho zażółć\n"
EVIL = "x[$(touch CANARY)]`touch CANARY`'\"; touch CANARY; $((x[$(touch CANARY)])) "
SHELLS = ["dash", "bash", "busybox", "ksh93", "mksh", "yash", "zsh"]
every_shell = pytest.mark.parametrize("name", SHELLS)
# posh takes the quotes in ${x%"y"} for text: it submits nothing, and evaluates nothing either.
every_shell_and_posh = pytest.mark.parametrize("name", [*SHELLS, "posh"])

# Says where it runs, keeps the script, and answers what the test has it answer.
SBATCH = """#!/bin/sh
stat -L -c %d:%i . > "$JS_OUT/directory"
cat "$2" > "$JS_OUT/script"
[ -e "$JS_OUT/answer" ] || echo 77
cat "$JS_OUT/answer"
echo words >&2
exit "$(cat "$JS_OUT/status" || echo 0)"
"""
# scontrol says with which words it was called; squeue tells of much, and of this submission's job where that is there.
SCONTROL = """#!/bin/sh
echo "scontrol $*"
"""
SQUEUE = """#!/bin/sh
echo "CLUSTER: $*"
seq 100000 | sed "s,$,|/home/x/.job-submitter/y/job.sh,"
[ ! -e "$JS_OUT/job" ] || echo "78|/home/x/.job-submitter/0123456789abcdef0123456789abcdef/job.sh"
exit "$(cat "$JS_OUT/squeue" || echo 0)"
"""


@dataclass(frozen=True)
class Login:
    """A login node of one directory: a home, and SLURM's programs, of which sbatch notes what it is given."""

    root: Path

    def submit(self, name: str, frame: bytes) -> subprocess.CompletedProcess[bytes]:
        """Have the shell `name`, called sh as on a login node, run the script with `frame` on standard input."""
        program = shutil.which(name)
        assert program, f"{name} is missing: make up installs it"
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.root / "home"), "JS_OUT": str(self.root / "out")}
        return subprocess.run(
            ["sh", "-c", " ".join(scripts.SUBMIT.split()), MARKER, str(self.root / "bin"), "10", ""],  # noqa: S607 - argv[0]
            executable=program,
            input=frame + b"known\n",
            env=environment | {"LC_ALL": "C.UTF-8"},
            cwd=self.root,
            capture_output=True,
            check=False,
            timeout=60,
        )

    def directory(self, length: int) -> Path:
        """Make a directory whose path has `length` bytes, and evil names."""
        path = str(self.root / "directories")
        names = (EVIL * 4)[:254]
        while length - len(path) > 300:
            path += f"/{names}"
        rest = length - len(path) - 1
        path += "/" + names[: rest // 2] + "/" + (names * 2)[: rest - rest // 2 - 1]
        assert len(path) == length
        Path(path).mkdir(parents=True, exist_ok=True)
        return Path(path)

    @property
    def ran_in(self) -> str | None:
        """Which directory sbatch ran in, as its device and inode; None if it did not run."""
        note = self.root / "out" / "directory"
        return note.read_text().strip() if note.exists() else None

    @property
    def script(self) -> str:
        """What sbatch was given."""
        return (self.root / "out" / "script").read_text()

    @property
    def canaries(self) -> list[str]:
        """The files that are there only if something of a caller was evaluated."""
        return [
            str(Path(folder) / name) for folder, _, names in os.walk(self.root) for name in names if name == "CANARY"
        ]


@pytest.fixture
def login(tmp_path: Path) -> Login:
    """A login node where nothing has been submitted."""
    for name in ("home", "out", "bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin" / "sbatch").write_text(SBATCH)
    (tmp_path / "bin" / "sbatch").chmod(0o755)
    for name, text in (("scontrol", SCONTROL), ("squeue", SQUEUE)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return Login(tmp_path)


def statuses(done: subprocess.CompletedProcess[bytes]) -> list[int]:
    """Return how the commands ended whose end the script has told."""
    return [section.status for section in shell.sections(b"\n" + done.stdout, MARKER)]


def sections(done: subprocess.CompletedProcess[bytes]) -> list[tuple[str, int]]:
    """Return what the commands printed whose end the script has told, and how they ended."""
    return [(found.text.strip(), found.status) for found in shell.sections(b"\n" + done.stdout, MARKER)]


def identity(path: Path) -> str:
    return f"{path.stat().st_dev}:{path.stat().st_ino}"


@every_shell
@pytest.mark.parametrize("length", [1000, *range(4084, 4096)])
def test_a_directory_of_any_length_is_the_jobs_and_no_text_of_it_is_evaluated(
    login: Login, name: str, length: int
) -> None:
    directory = login.directory(length)
    done = login.submit(name, scripts.submission(str(directory), SCRIPT, MARKER))
    assert (done.returncode, statuses(done)[:2]) == (0, [0, 0]), done.stderr
    assert (login.ran_in, login.script) == (identity(directory), SCRIPT)
    assert login.canaries == []


@every_shell
def test_a_script_of_any_length_reaches_sbatch_whole(login: Login, name: str) -> None:
    directory = login.directory(4095)
    frame = len(scripts.submission(str(directory), "", MARKER).rstrip(b"\n"))
    for room in (-70_000, *range(-3, 4), 3000):
        script = "#!/bin/sh\n" + "ż" * 20 + "#" * (scripts.FIRST - frame - room - 50)
        done = login.submit(name, scripts.submission(str(directory), script, MARKER))
        assert (done.returncode, login.script) == (0, script), room


@every_shell_and_posh
@pytest.mark.parametrize("length", [4096, 4097, 8100, 8181, 8182, 8183, 8184, 8192, 20_000])
@pytest.mark.parametrize("text", ["/" + EVIL * 800, "x[$(touch CANARY)]" + "/" * 20_000])
def test_a_directory_that_is_too_long_is_not_entered_and_no_text_of_it_is_evaluated(
    login: Login, name: str, text: str, length: int
) -> None:
    directory = text[:length]
    with pytest.raises(ValueError, match="at most 4095 bytes"):
        scripts.submission(directory, SCRIPT, MARKER)
    content = f"{directory}\n{SCRIPT}{MARKER}".encode()
    frame = b"%d\n%s" % (10_000_000 + max(0, len(content) + 9 - scripts.FIRST), content)
    done = login.submit(name, frame.ljust(scripts.FIRST, b"\n"))
    assert login.canaries == []
    assert 0 not in statuses(done)
    assert login.ran_in is None


@every_shell_and_posh
@pytest.mark.parametrize(
    "number",
    [
        *("", EVIL, "x[$(touch CANARY)]", "10000000+x[$(touch CANARY)]"),
        *("1000000x", "-1000000", "1000000", "100000000", "00000000", "0x989680", " 1000000"),
    ],
)
def test_what_is_no_number_is_not_reckoned_with(login: Login, name: str, number: str) -> None:
    done = login.submit(name, f"{number}\n/tmp\n{SCRIPT}{MARKER}".encode().ljust(scripts.FIRST, b"\n"))
    assert login.canaries == []
    assert (done.returncode, statuses(done), login.ran_in) == (65, [], None)


@every_shell_and_posh
def test_an_input_that_breaks_off_submits_nothing(login: Login, name: str) -> None:
    frame = scripts.submission(str(login.directory(4095)), SCRIPT * 1000, MARKER)
    for length in (0, 5, 9, 3000, 4104, 4105, scripts.FIRST, len(frame) - 1):
        done = login.submit(name, frame[:length])
        assert (done.returncode, statuses(done), login.ran_in) == (65, [], None), length
    assert list((login.root / "home" / scripts.DIRECTORY).iterdir()) == []


def answered(login: Login, name: str, answer: str, status: int) -> list[tuple[str, int]]:
    (login.root / "out" / "answer").write_text(answer)
    (login.root / "out" / "status").write_text(str(status))
    [(_marker, cd), *rest] = sections(login.submit(name, scripts.submission("", SCRIPT, MARKER)))
    assert cd == 0
    return rest


@every_shell
def test_a_job_is_described_by_the_cluster_that_has_it(login: Login, name: str) -> None:
    assert answered(login, name, "77\n", 0) == [("77", 0), ("scontrol show job 77", 0)]
    assert answered(login, name, "77;prometheus\n", 0) == [
        ("77;prometheus", 0),
        ("scontrol -M prometheus show job 77", 0),
    ]
    [_, (described, _status)] = answered(login, name, f"77;{EVIL}\n", 0)
    assert described.startswith("scontrol -M x[$(touch CANARY)]")
    assert login.canaries == []


@every_shell
def test_where_sbatch_ends_well_without_an_id_the_controllers_are_asked(login: Login, name: str) -> None:
    me = getpass.getuser()
    calls = [f"CLUSTER: -t all -o %i|%o -u {me}", f"CLUSTER: -t all -o %i|%o -M all -u {me}"]
    assert answered(login, name, "", 0) == [("", 0), ("words", 0), *((call, 0) for call in calls)]
    (login.root / "out" / "squeue").write_text("5")
    assert answered(login, name, "", 0)[2:] == [(call, 5) for call in calls]
    (login.root / "out" / "job").touch()
    job = f"78|/home/x/.job-submitter/{TOKEN.hex}/job.sh"
    assert answered(login, name, "", 0)[2:] == [(f"{call}\n{job}", 5) for call in calls]
    assert answered(login, name, "", 3) == [("", 3), ("words", 0)]
    assert answered(login, name, "77\n", 3) == [("77", 3), ("words", 0), ("scontrol show job 77", 0)]


@every_shell
def test_what_another_has_claimed_is_not_submitted_and_no_section_says_that_sbatch_began(
    login: Login, name: str
) -> None:
    directory = login.root / "home" / scripts.DIRECTORY / TOKEN.hex
    directory.mkdir(parents=True)
    (directory / "job.sh").touch()
    done = login.submit(name, scripts.submission("", SCRIPT, MARKER))
    assert (done.returncode, sections(done), login.ran_in) == (75, [], None)
