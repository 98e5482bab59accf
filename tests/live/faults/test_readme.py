"""The lines that README gives to users who submit from a script, run as they stand there."""

import json
import re
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.live.faults.client import Client, Posted, new_tag, script
from tests.live.faults.daemon import CHECKOUT
from tests.live.faults.instance import Instance
from tests.live.faults.lane import Lane

Settled = Callable[[Sequence[Posted]], None]
Submit = Callable[[str, str], Posted]


@pytest.fixture
def submit(instance: Instance, tmp_path: Path) -> Submit:
    """Submits to a host with a tag as README says; a `code` of None means that its lines ended with a failure."""
    blocks = re.findall(r"^```\n(.*?)^```$", (CHECKOUT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    [lines] = [block for block in blocks if "Idempotency-Key: $key" in block]
    proxy = f"proxy=$(base64 -w 0 {instance.sandbox.proxies[0]})\n"
    lines = proxy + lines.replace("https://{service}", f"http://127.0.0.1:{instance.port}")

    def submitted(host: str, tag: str) -> Posted:
        (tmp_path / "job.json").write_text(json.dumps({"host": host, "tag": tag, "script": script(tag)}))
        done = subprocess.run(["/bin/sh", "-c", lines], cwd=tmp_path, stdout=subprocess.PIPE, timeout=110, check=False)
        return Posted(tag, None if done.returncode else 201, json.loads(done.stdout), httpx.Headers())

    return submitted


def cut(_instance: Instance, lane: Lane) -> None:
    """The login node is lost, and the caller gets 408."""
    lane.relay.cut()


def kill(instance: Instance, _lane: Lane) -> None:
    """The web server is lost, and the caller gets no answer."""
    instance.web.kill()
    instance.web.start()


@pytest.mark.parametrize("lose", [cut, kill], ids=lambda lose: lose.__name__)
def test_the_lines_for_scripts_end_with_one_job_although_the_answer_was_lost(
    caller: Client, lane: Lane, settled: Settled, instance: Instance, submit: Submit, lose: Callable[..., None]
) -> None:
    gate, tag = lane.hold_after("sbatch"), new_tag()
    with ThreadPoolExecutor(1) as aside:
        call = aside.submit(submit, lane.host, tag)
        gate.reached()
        lose(instance, lane)
        gate.open()
        assert instance.registry.pending([tag]) == 1, "the answer was to be lost"
        settled([Posted(tag, None, {}, httpx.Headers())])
        posted = call.result(120)
    assert posted.code == 201, posted.body
    assert caller.listed(tag) == [posted.body["job_id"]]
    settled([posted])


def test_the_lines_for_scripts_give_up_what_will_never_work(submit: Submit) -> None:
    refused = submit("nowhere", new_tag())
    assert refused.code is None
    assert "unknown host" in refused.body["error_message"]
