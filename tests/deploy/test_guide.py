"""The guide's commands, run as they stand: on a machine of their own, as far as one can be made of this one.

Mounts, network and processes are the test's own: /etc is a layer above this machine's, /opt and /run are empty, and
PostgreSQL and Redis listen at their usual ports. systemd is not there: what it would run is run as the unit says.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.service import SOURCES
from tests.deploy import guide
from tests.harness.sandbox_env import variable

pytestmark = pytest.mark.apart

ROOT = Path(__file__).parents[2]
INSTALL = guide.commands("Install")

MACHINE = """
set -eu
for place in /opt /run /mnt; do mount -t tmpfs none "$place" -o mode=755; done
mkdir /run/postgresql /mnt/upper /mnt/work
mount -t overlay overlay /etc -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work
! getent passwd job-submitter > /dev/null || userdel job-submitter
mkdir -p /etc/redis /etc/grid-security
cp -r "$TRUST_DIR" /etc/grid-security/certificates
busybox ip link set lo up
base=$(ls -d /usr/lib/postgresql/*/bin)
install -d -o postgres /mnt/postgres /run/postgresql
cd /
runuser -u postgres -- "$base/initdb" -D /mnt/postgres --auth-local=peer --auth-host=scram-sha-256 > /dev/null
runuser -u postgres -- "$base/pg_ctl" -D /mnt/postgres -w -l /mnt/postgres/log start > /dev/null
echo 'dir /mnt' > /etc/redis/redis.conf
"""
# What is not on this machine, or asks at a terminal: each has to be in the guide.
INSTEAD = {
    r"^apt-get install .*$": "",
    r"^git clone \{repository\} /opt/job-submitter ": (
        'mkdir /opt/job-submitter; (cd "$CHECKOUT" && cp -r $SOURCES /opt/job-submitter) '
    ),
    r"^python3 -m venv venv && venv/bin/pip install .*$": 'ln -s "$VENV" venv',
    r"-c '\\password submitter_owner' -c '\\password submitter'": (
        "-c \"alter role submitter_owner password 'one'\" -c \"alter role submitter password 'one'\""
    ),
    r"\{password\}": "one",
    r"systemctl restart redis-server": "redis-server /etc/redis/redis.conf --daemonize yes > /dev/null",
    r"createsuperuser": "createsuperuser --noinput --username admin --email admin@example.org",
    r" && deploy/manage pingcluster$": "",
    r"^cp -r deploy/systemd(?s:.*)": "",
}
SERVE = """
set -a; . /etc/job-submitter/environment; set +a
cd /opt/job-submitter
command=$(sed -n 's/^ExecStart=//p' deploy/systemd/job-submitter-web.service)
install -d -o job-submitter /run/web
as_service='setpriv --reuid job-submitter --regid job-submitter --init-groups --no-new-privs'
$as_service $command --bind unix:/run/web/sock >&2 &
ask() { curl -s -o /dev/null -w '%{http_code}\\n' --unix-socket /run/web/sock -H 'X-Forwarded-Proto: https' "$1"; }
for _ in $(seq 100); do [ "$(ask http://submit.example.org/healthz)" != 000 ] && break; sleep 0.2; done
for path in healthz static/admin/css/base.css; do echo "$path $(ask http://submit.example.org/$path)"; done
"""


def followed(top: Path, *more: str) -> str:
    """Follow the guide's first five steps under a strict umask, then run `more`; return what was printed."""
    text = INSTALL
    for pattern, other in INSTEAD.items():
        assert re.search(pattern, text, re.MULTILINE), pattern
        text = other.join(re.split(pattern, text, flags=re.MULTILINE))
    script = "\n".join([MACHINE, "umask 077", text, *more])
    (top / "script").write_text(script)
    variables = {
        "TRUST_DIR": variable("TRUST_DIR"),
        "VENV": str(Path(sys.prefix).resolve()),
        "CHECKOUT": str(ROOT),
        "SOURCES": " ".join([*SOURCES, "deploy", "requirements.txt"]),
        "DJANGO_SUPERUSER_PASSWORD": "a long one that nobody guesses",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "script"]
    with (top / "errors").open("w") as errors:
        done = subprocess.run(
            command, cwd=top, env=variables, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=900, check=False
        )
    assert done.returncode == 0, done.stdout + (top / "errors").read_text()
    return done.stdout


def test_whoever_follows_the_guide_under_a_strict_umask_gets_a_service_that_serves(tmp_path: Path) -> None:
    assert "healthz 200\nstatic/admin/css/base.css 200\n" in followed(tmp_path, SERVE)
