"""The users' guide's calls as they stand there: who sees the private key while they run, and whom they send it to."""

import base64
import html
import json
import os
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.harness.caller import Caller
from tests.harness.sandbox_env import GRANT, Cluster, variable
from tests.live.users_guide import block, header_file

pytestmark = pytest.mark.xdist_group("curl")  # it looks at every call of curl on the machine

SAFE = block("header=$(mktemp)", "curl")
ORIGINAL = block("proxy=")
OLD_CURL = SAFE.replace("'PROXY: %s\\n'", "'header = \"PROXY: %s\"\\n'").replace(
    '--header @"$header"', '--config "$header"'
)
REFUSED_CERTIFICATE = 60  # EXIT CODES in curl(1)


def run(lines: str, folder: Path, url: str, before: str = "") -> "subprocess.CompletedProcess[str]":
    """Run lines of the guide against the service at `url`, as alice."""
    words = {
        "{path-to-proxy-file}": variable("ALICE_PROXY"),
        "{ca-file}": variable("CA_FILE"),
        "{grantid}": GRANT,
        "https://{service}": url,
    }
    for placeholder, word in words.items():
        lines = lines.replace(placeholder, word)
    return subprocess.run(
        ["/bin/sh", "-c", before + lines],
        env=os.environ | {"TMPDIR": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Give one connection to `answer`, in a thread; yields the address of the service that callers see."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                answer(client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(30)
        assert not thread.is_alive()


def carried(client: socket.socket) -> None:
    """Carry a connection to the sandbox's service and back, until either side ends it."""
    with socket.create_connection(("127.0.0.1", urlsplit(variable("BASE_URL")).port or 443)) as service:
        up = threading.Thread(target=copied, args=(client, service), daemon=True)
        up.start()
        copied(service, client)
        up.join(30)


def copied(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def command_lines() -> list[bytes]:
    """Return what every user of the machine can read of each process (proc(5))."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(file.read_bytes())
    return found


def parts_of_the_key() -> list[bytes]:
    """Return pieces of the proxy file's private key, and of its Base64."""
    pem = Path(variable("ALICE_PROXY")).read_bytes()
    encoded = base64.b64encode(pem)
    lines = [line for line in pem.splitlines() if len(line) == 64]
    return [*lines, *(encoded[start : start + 32] for start in range(0, len(encoded) - 32, 32))]


@pytest.mark.parametrize(
    ("lines", "shows"), [(SAFE, False), (OLD_CURL, False), (ORIGINAL, True)], ids=["safe", "old curl", "original"]
)
def test_the_key_is_on_no_command_line_while_the_documented_call_runs(
    alice: Caller, zeus: Cluster, tmp_path: Path, lines: str, *, shows: bool
) -> None:
    seen: list[bytes] = []

    def looked(client: socket.socket) -> None:
        seen.extend(command_lines())
        carried(client)

    with listening(looked) as url:
        done = run(lines, tmp_path, url)
    answer = json.loads(done.stdout)
    assert answer["host"] == zeus.host, done.stdout
    alice.call("DELETE", f"/api/jobs/{answer['job_id']}")
    assert [line for line in seen if line.startswith(b"curl\0") and url.encode() in line], "it was to be seen running"
    assert any(part in line for line in seen for part in parts_of_the_key()) is shows


def test_nobody_else_can_read_the_file_with_the_key(tmp_path: Path) -> None:
    run(SAFE, tmp_path, variable("BASE_URL").replace("127.0.0.1", "nowhere.invalid"), "umask 000\n")
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"PROXY: [A-Za-z0-9+/]+=*\n", file.read_text())


@pytest.fixture
def impostor(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """Whoever answers in the service's place, with a certificate of its own."""
    folder = tmp_path_factory.mktemp("impostor")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names], capture_output=True, timeout=60, check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize(("lines", "sends"), [(SAFE, False), (ORIGINAL, True)], ids=["safe", "original"])
def test_a_wrong_certificate_is_refused_before_anything_is_sent(
    impostor: ssl.SSLContext, tmp_path: Path, lines: str, *, sends: bool
) -> None:
    received: list[bytes] = []

    def taken(client: socket.socket) -> None:
        with suppress(OSError), impostor.wrap_socket(client, server_side=True) as greeted:
            received.append(greeted.recv(65536))

    with listening(taken) as url:
        done = run(lines, tmp_path, url)
    assert (b"PROXY" in b"".join(received), b"".join(received) != b"") == (sends, sends)
    assert (done.returncode == REFUSED_CERTIFICATE) is not sends


def test_the_front_page_s_calls_run_as_they_stand(nobody: Caller, alice: Caller, zeus: Cluster, tmp_path: Path) -> None:
    page = html.unescape(nobody.call("GET", "/").text)
    blocks = re.findall(r"<pre><code>(.*?)</code></pre>", page, re.DOTALL)
    [header] = [one for one in blocks if one.startswith("header=")]
    [calls] = [one for one in blocks if zeus.host in one]
    submit, *others = re.split(r"\n(?=curl )", calls)
    done = run(f"{header}\n{submit}", tmp_path, "")
    job = json.loads(done.stdout)
    assert job["host"] == zeus.host, done.stdout
    alice.submitted.append(job["job_id"])
    codes = []
    for call in others:
        line = call.replace("{SLURM id}", zeus.number(job["job_id"])).replace(
            "curl ", "curl -s -w '\\n%{http_code}' ", 1
        )
        codes.append(run(f"{header}\n{line}", tmp_path, "").stdout.rpartition("\n")[2])
    assert codes[0] == "200"
    assert codes[1] in {"200", "404"}  # it may have written nothing yet
    assert codes[2:] == ["204", "204"]
    assert page.index("--cacert") < page.index("curl -k")


PASTED = '#!/bin/bash\n#SBATCH --hold\n# "quoted" \\\\ zażółć\t%s\n\necho \'a\' "b"\nexit 0\n'


@pytest.mark.parametrize("maker", ["jq -Rs", "python3 -c"])
def test_a_script_file_arrives_as_it_stands(alice: Caller, zeus: Cluster, tmp_path: Path, maker: str) -> None:
    (tmp_path / "job.sh").write_text(PASTED)
    lines = (
        header_file(variable("ALICE_PROXY"))
        + block(maker)
        + block("--data-binary @job.json", "header @", without="key")
    )
    done = run(lines, tmp_path, variable("BASE_URL"))
    job = json.loads(done.stdout)
    assert "job_id" in job, done.stdout
    alice.submitted.append(job["job_id"])
    assert zeus.slurm("scontrol", "write", "batch_script", zeus.number(job["job_id"]), "-") == PASTED
