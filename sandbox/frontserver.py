"""nginx in front of the web server, as in production, where the service is to be reached from other machines."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox.accounts import SERVICE
from sandbox.layout import Layout, own, write
from sandbox.programs import Program

_SITE = Path("deploy") / "nginx" / "job-submitter.conf"
SOCKET = "unix"
"""What the service calls a front server that comes over a Unix socket, in REVERSE_PROXIES."""
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def socket(layout: Layout) -> Path:
    """Return the Unix socket between the two, in a directory that nobody else may enter."""
    return own(layout.data / "front", SERVICE, 0o700) / "web.sock"


def program(layout: Layout, address: str, port: int, ready: Callable[[], bool]) -> Program:
    """Write the configuration of nginx and return the program that listens at `address` and `port`."""
    site = (layout.checkout / _SITE).read_text(encoding="utf-8")
    file = write(layout.service / "nginx.conf", configuration(site, layout, f"{address}:{port}"))
    command = ("/usr/sbin/nginx", "-e", "stderr", "-c", str(file))
    return Program("nginx", command, SERVICE, ready, inputs=(file,))


def configuration(site: str, layout: Layout, address: str) -> str:
    """Return nginx.conf for `site`, the example for production: the same rules, with the sandbox's files and address.

    What is at port 80 there is left out. Raises ValueError where the example is no longer as it was.
    """
    head, tls, _plain = site.split("\nserver {\n")
    folder = socket(layout).parent
    changes = {
        "unix:/run/job-submitter.sock": _quoted(f"unix:{socket(layout)}"),
        "listen 443 ": f"listen {address} ",
        "    listen [::]:443 ssl;\n": "",
        "submit.example.org;": "localhost;",
        "/etc/ssl/certs/submit.example.org.pem": _quoted(layout.service / "tls.crt"),
        "/etc/ssl/private/submit.example.org.key": _quoted(layout.service / "tls.key"),
        "/var/log/nginx/job-submitter.access.log": _quoted(folder / "access.log"),
        "/var/log/nginx/job-submitter.error.log": "stderr",
    }
    rules = _changed(f"{head}\nserver {{\n{tls}", changes)
    places = "\n".join(f"{kind}_temp_path {_quoted(folder / kind)};" for kind in _TEMPORARY)
    main = f"daemon off;\npid {_quoted(folder / 'nginx.pid')};\nworker_processes 1;\nevents {{}}\n"
    return f"{main}http {{\n{places}\n{rules}}}\n"


def _changed(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        if old not in text:
            raise ValueError(f"{_SITE} does not have {old!r} any more")
        text = text.replace(old, new)
    return text


def _quoted(value: object) -> str:
    return json.dumps(str(value), ensure_ascii=False)
