"""The lines that the users' guide gives to those who submit from a program, run as they stand there."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.harness.client import Client, Posted, new_tag, script
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.sandbox_env import variable
from tests.live import users_guide

Settled = Callable[[Sequence[Posted]], None]


@dataclass
class Loop:
    """The guide's lines, with the service at `url`, in `folder`."""

    folder: Path
    url: str
    proxy: str

    def run(self, body: str) -> "subprocess.CompletedProcess[str]":
        """Write job.json and run the lines as they stand."""
        (self.folder / "job.json").write_text(body)
        lines = users_guide.header_file(self.proxy) + users_guide.block("Idempotency-Key: $key")
        lines = lines.replace("{ca-file}", variable("CA_FILE")).replace("https://{service}", self.url)
        return subprocess.run(
            ["/bin/sh", "-c", lines],
            cwd=self.folder,
            env=os.environ | {"TMPDIR": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    def submit(self, host: str, tag: str) -> Posted:
        """Submit to a host with a tag; a `code` of None means that the lines ended with a failure."""
        done = self.run(json.dumps({"host": host, "tag": tag, "script": script(tag)}))
        return Posted(tag, None if done.returncode else 201, json.loads(done.stdout), httpx.Headers())


@pytest.fixture
def loop(instance: Instance, tmp_path: Path) -> Loop:
    """The lines against the service of these tests."""
    return Loop(tmp_path, f"http://127.0.0.1:{instance.port}", str(instance.sandbox.proxies[0]))


def cut(_instance: Instance, cluster: FaultCluster) -> None:
    """The login node is lost, and the caller gets 408."""
    cluster.relay.cut()


def kill(instance: Instance, _cluster: FaultCluster) -> None:
    """The web server is lost, and the caller gets no answer."""
    instance.web.kill()
    instance.web.start()


@pytest.mark.parametrize("lose", [cut, kill], ids=lambda lose: lose.__name__)
def test_the_lines_for_scripts_end_with_one_job_although_the_answer_was_lost(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance, loop: Loop, lose: Callable[..., None]
) -> None:
    gate, tag = cluster.hold_after("sbatch"), new_tag()
    with ThreadPoolExecutor(1) as aside:
        call = aside.submit(loop.submit, cluster.host, tag)
        gate.reached()
        lose(instance, cluster)
        gate.open()
        assert instance.registry.pending([tag]) == 1, "the answer was to be lost"
        settled([Posted(tag, None, {}, httpx.Headers())])
        posted = call.result(120)
    assert posted.code == 201, posted.body
    assert caller.listed(tag) == [posted.body["job_id"]]
    settled([posted])


def test_the_lines_for_scripts_give_up_what_will_never_work(loop: Loop) -> None:
    refused = loop.submit("nowhere", new_tag())
    assert refused.code is None
    assert "unknown host" in refused.body["error_message"]


@pytest.mark.parametrize(
    ("url", "code"),
    [("https://nowhere.invalid", "curl 6"), ("htps://127.0.0.1", "curl 1"), ("https://127.0.0.1:port", "curl 3")],
)
def test_the_lines_for_scripts_give_up_an_address_that_will_never_work(loop: Loop, url: str, code: str) -> None:
    loop.url = url
    done = loop.run("{}")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(rf"given up with key [0-9a-f]{{32}}: {code},", done.stderr)


def test_the_lines_for_scripts_give_up_a_certificate_that_is_not_trusted(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = loop.folder / "other.pem"
    names = ["-subj", "/CN=other", "-keyout", "/dev/null", "-out", str(other)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    monkeypatch.setenv("CA_FILE", str(other))
    loop.url = variable("BASE_URL")
    done = loop.run("{}")
    assert (done.returncode, done.stdout) == (1, "")
    assert ": curl 60," in done.stderr


def test_a_script_that_was_pasted_as_it_stands_is_refused_and_does_not_lose_its_lines(
    loop: Loop, caller: Client, cluster: FaultCluster
) -> None:
    tag = new_tag()
    done = loop.run(f'{{"host": "{cluster.host}", "tag": "{tag}", "script": "{script(tag)}"}}')
    assert done.returncode == 1
    assert "JSON parse error" in json.loads(done.stdout)["error_message"]
    assert caller.listed(tag) == []
