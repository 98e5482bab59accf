"""What is not accepted, and in which words: each with the contract's body, and nothing is submitted."""

import json
import os
import subprocess
from typing import Any

import pytest

from tests.harness.caller import JSON, Caller, Job, script
from tests.harness.contract import error
from tests.harness.sandbox_env import Cluster

MIB = 1024 * 1024
ORDER: dict[str, object] = {"host": "zeus.cyfronet.pl", "script": "#!/bin/bash\n#SBATCH -A plgtest\n#SBATCH --hold\n"}
WITHOUT = {name: {k: v for k, v in ORDER.items() if k != name} for name in ORDER}


def post(caller: Caller, content: bytes) -> dict[str, Any]:
    """Send a body that must be refused as bad input, and return the answer's."""
    return error(caller.call("POST", "/api/jobs", content=content, headers=JSON), 422)


@pytest.mark.parametrize(
    "text",
    [
        script("#SBATCH -A nogrant"),
        script("#SBATCH --nodes=99"),
        script("#SBATCH --partition=nowhere"),
        script("#SBATCH --no-such-option"),
        script("#SBATCH --time=never"),
        script("#SBATCH --begin=yesteryear-ü"),
        script("#SBATCH --dependency=afterok:nothing"),
    ],
)
def test_what_sbatch_refuses_is_refused_in_its_own_words(alice: Caller, cluster: Cluster, text: str, tag: str) -> None:
    own = subprocess.run(
        ["/usr/bin/setpriv", "--reuid=plgalice", "--regid=plgalice", "--init-groups", "sbatch", "--parsable"],
        env={"PATH": os.environ["PATH"], "HOME": "/home/plgalice", "SLURM_CONF": str(cluster.conf)},
        input=text.encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    told = error(alice.order(cluster, text, tag=tag), 422)
    assert own.returncode != 0
    assert told["exit_code"] == own.returncode
    assert told["standard_output"] == own.stdout.decode()
    assert told["error_output"] == own.stderr.decode()
    assert told["tag"] == tag
    assert alice.call("GET", f"/api/jobs?tag={tag}").json() == []


def test_an_unknown_host_is_refused_with_the_known_ones(alice: Caller, zeus: Cluster, prometheus: Cluster) -> None:
    for host in ("localhost", "127.0.0.1", "zeus.cyfronet.pl.", "ares.cyfronet.pl", "", "zeus.cyfronet.pl:22", "-oX"):
        told = error(alice.call("POST", "/api/jobs", json=ORDER | {"host": host}), 422)
        assert "host" in told["error_message"]
        assert zeus.host in told["error_message"], host
        assert prometheus.host in told["error_message"]


@pytest.mark.parametrize("host", ["ZEUS.cyfronet.pl", "Prometheus.Cyfronet.PL", "zeus", "PROMETHEUS"])
def test_a_host_is_known_in_any_case_and_by_its_alias(alice: Caller, host: str) -> None:
    answer = alice.call("POST", "/api/jobs", json=ORDER | {"host": host})
    assert answer.status_code == 201, answer.text
    job: Job = answer.json()
    assert job["host"].startswith(host.lower())
    assert alice.call("DELETE", f"/api/jobs/{job['job_id']}").status_code == 204


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (ORDER | {"script": "echo hello"}, ["script"]),
        (ORDER | {"script": ""}, ["script"]),
        (ORDER | {"script": " #!/bin/sh"}, ["script"]),
        (ORDER | {"script": "#!/bin/sh\n\0"}, ["script"]),
        (ORDER | {"script": "#!/bin/sh\n" + "#" * 4 * MIB}, ["script"]),
        (ORDER | {"script": "#!/bin/sh\n" + "ü" * 2 * MIB}, ["script"]),
        (ORDER | {"script": ["#!/bin/sh"]}, ["script"]),
        (ORDER | {"script": None, "host": None}, ["script", "host"]),
        (ORDER | {"host": 1, "tag": 2, "working_directory": 3}, ["host", "tag", "working_directory"]),
        (ORDER | {"grant": "plgtest", "Tag": "x"}, ["grant", "Tag"]),
        (ORDER | {"job_id": "1", "status": "FINISHED", "account": "plgbob"}, ["job_id", "status", "account"]),
        (WITHOUT["host"], ["host"]),
        (WITHOUT["script"], ["script"]),
        ({}, ["host", "script"]),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, list) else None,
)
def test_wrong_fields_are_refused_and_each_is_named(alice: Caller, body: dict[str, object], named: list[str]) -> None:
    told = post(alice, json.dumps(body).encode())
    for name in named:
        assert name in told["error_message"]
    assert told["exit_code"] == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"host":', b"[]", b"null", b"5", b'"text"', b"\xff\xfe", b'{"host": NaN}', b"[" * 100_000, b"{}{}"],
)
def test_what_is_no_json_object_is_refused(alice: Caller, content: bytes) -> None:
    post(alice, content)


@pytest.mark.parametrize("field", ["host", "script", "tag", "working_directory"])
def test_half_a_surrogate_is_no_text(alice: Caller, field: str) -> None:
    body = json.dumps(ORDER | {field: "#!/bin/sh \ud800"}).encode()
    assert field in post(alice, body)["error_message"]


def test_half_a_surrogate_names_no_field(alice: Caller) -> None:
    post(alice, json.dumps(ORDER | {"\ud800": 1}).encode())


@pytest.mark.parametrize("action", ["ABORT", "Abort"])
def test_an_action_may_be_in_any_case(alice: Caller, zeus: Cluster, action: str) -> None:
    job = alice.submit(zeus, "#SBATCH --hold")
    assert alice.call("PUT", f"/api/jobs/{job['job_id']}", json={"action": action}).status_code == 204
    assert alice.job(job["job_id"])["status"] == "ABORTED"


def test_another_action_is_refused_and_the_job_left_alone(alice: Caller, zeus: Cluster) -> None:
    job = alice.submit(zeus, "#SBATCH --hold")
    bodies: list[object] = [{"action": word} for word in ("start", "", "abort ", None, 1, ["abort"])]
    for body in [*bodies, {}, [], "abort", {"action": "abort", "job_id": "1"}]:
        error(alice.call("PUT", f"/api/jobs/{job['job_id']}", json=body), 422)
    assert alice.job(job["job_id"])["status"] == "QUEUED"
    alice.end(job)


def test_a_body_over_the_limit_is_too_large(alice: Caller) -> None:
    content = json.dumps(ORDER | {"script": "#!/bin/sh\n" + "#" * 30 * MIB}).encode()
    error(alice.call("POST", "/api/jobs", content=content, headers=JSON), 413)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_another_content_type_is_unsupported(alice: Caller, zeus: Cluster, kind: str, method: str) -> None:
    path = "/api/jobs" if method == "POST" else f"/api/jobs/{alice.submit(zeus, '#SBATCH --hold')['job_id']}"
    content = json.dumps(ORDER).encode()
    error(alice.call(method, path, content=content, headers={"Content-Type": kind}), 415)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/jobs"),
        ("DELETE", "/api/jobs"),
        ("PATCH", "/api/jobs"),
        ("POST", "/api/jobs/{}"),
        ("PATCH", "/api/jobs/{}"),
        ("TRACE", "/api/jobs/{}"),
        ("POST", "/api/jobs/{}/stdout"),
        ("DELETE", "/api/jobs/{}/stderr"),
    ],
)
def test_another_method_is_not_allowed(alice: Caller, zeus: Cluster, method: str, path: str) -> None:
    job = alice.submit(zeus, "#SBATCH --hold")
    answer = alice.call(method, path.format(job["job_id"]))
    error(answer, 405)
    assert "GET" in answer.headers["Allow"]
    assert alice.job(job["job_id"])["status"] == "QUEUED"
    alice.end(job)


@pytest.mark.parametrize(
    "path", ["/api/", "/api/nothing", "/api/jobs/a/b/c", "/api/jobs//", "/api/jobs/%00", "/api/jobs/%0a"]
)
def test_a_path_that_is_not_there_is_not_found_in_the_contract_s_form(alice: Caller, path: str) -> None:
    error(alice.call("GET", path), 404)


@pytest.mark.parametrize("size", [4 * MIB - 1, 4 * MIB])
def test_a_script_of_nearly_four_mebibytes_runs(alice: Caller, zeus: Cluster, size: int) -> None:
    text = script("wc -c < $0", "exit 0")
    text += "#" * (size - len(text))
    answer = alice.order(zeus, text)
    assert answer.status_code == 201, answer.text
    assert alice.written(answer.json()) == f"{size}\n"
