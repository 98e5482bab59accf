"""POST /api/jobs."""

import base64
import json
import re
import uuid
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import OperationalError, connection
from django.test import RequestFactory
from drf_spectacular.drainage import get_override

from audit.models import Entry
from clusters.errors import Interrupted, Malformed, Refused, TimedOut, Unreachable
from clusters.models import Cluster
from clusters.slurm.sbatch import Accepted, Rejected
from clusters.submitting import WorkingDirectoryError
from jobs import statements
from jobs.api.serializers import OrderSerializer
from jobs.models import Job, SubmissionStatus
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway

SCRIPT = "#!/bin/bash\necho hello\n"
ORDER = {"host": "zeus.cyfronet.pl", "script": SCRIPT}
ERROR_FIELDS = {"status", "exit_code", "standard_output", "error_output", "error_message", "tag"}

pytestmark = pytest.mark.usefixtures("zeus")


def test_a_submission_is_registered_and_answered_as_the_seed_shows(cast: Cast, fake: FakeGateway) -> None:
    answer = cast.alice("POST", "/api/jobs", ORDER | {"tag": "t1", "working_directory": "a b/$(id)"})
    assert answer.status_code == 201
    body = answer.json()
    assert body["job_id"] == "100.batch.grid.cyf-kr.edu.pl"
    assert answer["Location"] == "http://testserver/api/jobs/100.batch.grid.cyf-kr.edu.pl"
    assert (body["status"], body["tag"], body["host"]) == ("QUEUED", "t1", "zeus.cyfronet.pl")
    assert body["stdout_path"] == f"{answer['Location']}/stdout"
    assert not {"nodes", "cores", "start_time", "end_time", "wall_time", "queue_time"} & set(body)
    job = Job.objects.get()
    assert fake.submitted == ("plgalice", job.id.hex, "a b/$(id)", SCRIPT)
    assert (job.account, job.owner_dn) == ("plgalice", "/C=PL/O=Grid/OU=Users/CN=plgalice")


@pytest.mark.parametrize("path", ["/api/jobs", "/api/jobs/"])
def test_both_forms_of_the_path_answer_without_a_redirect(cast: Cast, fake: FakeGateway, path: str) -> None:
    assert cast.alice("POST", path, ORDER).status_code == 201
    assert fake.calls.count("submit") == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("cast")
def test_what_the_answer_does_not_need_is_done_once_the_server_has_written_it_or_in_the_background(
    fake: FakeGateway, proxies: tuple[Path, dict[str, bytes]]
) -> None:
    headers = {"PROXY": base64.b64encode(proxies[1]["plgalice"]).decode()}
    request = RequestFactory().generic("POST", "/api/jobs", json.dumps(ORDER), "application/json", headers=headers)
    answer = WSGIHandler()(request.environ, Mock())
    assert answer.status_code == 201
    assert (fake.calls, Entry.objects.count()) == (["submit", "acknowledge"], 0)
    answer.close()
    assert (fake.calls, Entry.objects.count()) == (["submit", "acknowledge"], 1)


@pytest.mark.django_db(transaction=True)
def test_the_row_is_committed_and_no_transaction_is_open_while_the_cluster_is_asked(
    cast: Cast, fake: FakeGateway
) -> None:
    seen: list[Any] = []
    fake.during = lambda: seen.append((connection.in_atomic_block, Job.objects.get().submission_status))
    cast.alice("POST", "/api/jobs", ORDER)
    assert seen == [(False, SubmissionStatus.PENDING)]


@pytest.mark.parametrize("host", ["zeus", "ZEUS.Cyfronet.PL"])
def test_an_alias_or_another_case_means_the_same_cluster(cast: Cast, fake: FakeGateway, host: str) -> None:
    assert cast.alice("POST", "/api/jobs", ORDER | {"host": host}).json()["host"] == "zeus.cyfronet.pl"
    assert fake.calls.count("submit") == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"host": "example.org"}, "known hosts: zeus.cyfronet.pl"),
        ({"host": None}, "host"),
        ({"host": 7}, "host"),
        ({"script": "echo no interpreter"}, "script: must begin with #!"),
        ({"script": ""}, "script: must begin with #!"),
        ({"script": "#!/bin/sh\n\0"}, "script: Null characters are not allowed"),
        ({"script": "#!" + "x" * (4 * 1024 * 1024 - 1)}, "script: must not be longer than 4 MiB"),
        ({"script": "#!" + "ż" * (2 * 1024 * 1024)}, "script: must not be longer than 4 MiB"),
        ({"script": ["#!/bin/sh"]}, "script"),
        ({"script": "#!/bin/sh \ud800"}, "script"),
        ({"working_directory": "/a\nb"}, "working_directory"),
        ({"working_directory": "/a\rb"}, "working_directory"),
        ({"working_directory": "/a\0b"}, "working_directory"),
        ({"working_directory": 1}, "working_directory"),
        ({"working_directory": "/" + "a/" * 2_047 + "b"}, "working_directory: must not be longer than 4095 bytes"),
        ({"working_directory": "ż/" * 1_365 + "a"}, "working_directory: must not be longer than 4095 bytes"),
        ({"working_directory": "/tmp/" + "a" * 256}, "working_directory: must not have a name of more than 255 bytes"),  # noqa: S108 - no use of it
        ({"working_directory": "ż" * 128}, "working_directory: must not have a name of more than 255 bytes"),
        ({"tag": ""}, "tag"),
        ({"tag": "x" * 256}, "tag"),
        ({"tag": "two\nlines"}, "tag"),
        ({"tag": 5}, "tag"),
        ({"tag": {"a": 1}}, "tag"),
        ({"colour": "red"}, "colour: unknown field"),
    ],
)
def test_bad_input_is_422_naming_the_field_and_submits_nothing(
    cast: Cast, fake: FakeGateway, change: dict[str, Any], named: str
) -> None:
    answer = cast.alice("POST", "/api/jobs", ORDER | change)
    assert answer.status_code == 422
    assert named in answer.json()["error_message"]
    assert set(answer.json()) == ERROR_FIELDS
    assert fake.calls == []
    assert not Job.objects.exists()


@pytest.mark.parametrize("directory", ["/" + "a/" * 2_047, "ż/" * 1_365, "a" * 255, f"/tmp/{'ż' * 127}", "//a///b/"])  # noqa: S108 - no use of it
def test_a_directory_as_long_as_a_path_may_be_is_accepted(cast: Cast, fake: FakeGateway, directory: str) -> None:
    assert cast.alice("POST", "/api/jobs", ORDER | {"working_directory": directory}).status_code == 201
    assert fake.submitted[2] == directory
    described = get_override(OrderSerializer().fields["working_directory"], "field")
    assert re.search(described["pattern"], directory)
    assert not re.search(described["pattern"], f"{directory}/{'a' * 256}")


def test_every_wrong_field_is_named_at_once(cast: Cast, fake: FakeGateway) -> None:
    message = cast.alice("POST", "/api/jobs", {"tag": 1, "size": 2}).json()["error_message"]
    assert all(name in message for name in ("host", "script", "tag", "size"))
    assert fake.calls == []


@pytest.mark.parametrize("body", ["{", "", "[]", '"x"', "null", "\xff"])
def test_a_body_that_is_no_json_object_is_422(cast: Cast, fake: FakeGateway, body: str) -> None:
    answer = cast.alice("POST", "/api/jobs", body.encode("latin-1"))
    assert answer.status_code == 422
    assert set(answer.json()) == ERROR_FIELDS
    assert fake.calls == []


@pytest.mark.parametrize("tag", [None, "x", "x" * 255, "żółw 1; $(id)"])
def test_tags_of_1_to_255_printable_characters_are_kept(cast: Cast, fake: FakeGateway, tag: str | None) -> None:
    assert cast.alice("POST", "/api/jobs", ORDER | {"tag": tag}).json()["tag"] == tag
    assert fake.calls.count("submit") == 1


def test_the_largest_script_is_accepted_to_the_byte(cast: Cast, fake: FakeGateway) -> None:
    script = "#!" + "x" * (4 * 1024 * 1024 - 2)
    assert cast.alice("POST", "/api/jobs", ORDER | {"script": script}).status_code == 201
    assert fake.submitted[3] == script


def test_a_body_over_the_limit_is_413(cast: Cast, fake: FakeGateway, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    assert cast.alice("POST", "/api/jobs", ORDER | {"script": SCRIPT + "#" * 1000}).status_code == 413
    assert fake.calls == []


def test_another_content_type_is_415(cast: Cast, fake: FakeGateway) -> None:
    answer = cast.alice("POST", "/api/jobs", b"host=zeus", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 415
    assert set(answer.json()) == ERROR_FIELDS
    assert fake.calls == []


def test_a_chunked_body_is_411(cast: Cast, fake: FakeGateway) -> None:
    answer = cast.alice("POST", "/api/jobs", b"", HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="")
    assert answer.status_code == 411
    assert fake.calls == []


def test_what_sbatch_refused_is_422_in_its_own_words(cast: Cast, fake: FakeGateway) -> None:
    fake.outcome = Rejected(1, "half", "sbatch: error: Invalid account")
    answer = cast.alice("POST", "/api/jobs", ORDER | {"tag": "t1"})
    assert answer.status_code == 422
    body = answer.json()
    assert (body["exit_code"], body["standard_output"], body["error_output"], body["tag"]) == (
        1, "half", "sbatch: error: Invalid account", "t1",
    )  # fmt: skip
    assert Job.objects.get().submission_status == SubmissionStatus.FAILED
    assert cast.alice("GET", "/api/jobs").json() == []


def test_a_missing_directory_is_422(cast: Cast, fake: FakeGateway) -> None:
    fake.outcome = WorkingDirectoryError("sh: cd: can't cd to /nowhere")
    answer = cast.alice("POST", "/api/jobs", ORDER | {"working_directory": "/nowhere"})
    assert answer.status_code == 422
    assert "working_directory" in answer.json()["error_message"]
    assert Job.objects.get().submission_status == SubmissionStatus.FAILED


@pytest.mark.parametrize(
    ("exc", "code", "submission"),
    [
        (Unreachable("no route"), 503, SubmissionStatus.FAILED),
        (Refused("no such account"), 403, SubmissionStatus.FAILED),
        (TimedOut("30 s", stdout=b"so far \xff"), 408, SubmissionStatus.PENDING),
        (Interrupted("cut"), 408, SubmissionStatus.PENDING),
        (Malformed("'?'"), 408, SubmissionStatus.PENDING),
        (RuntimeError("a bug"), 500, SubmissionStatus.PENDING),
    ],
)
def test_whether_a_job_may_exist_decides_what_is_kept(
    cast: Cast, fake: FakeGateway, exc: Exception, code: int, submission: SubmissionStatus
) -> None:
    fake.outcome = exc
    answer = cast.alice("POST", "/api/jobs", ORDER | {"tag": "t1"})
    assert answer.status_code == code
    assert set(answer.json()) == ERROR_FIELDS
    assert answer.json()["tag"] == "t1"
    assert answer.has_header("Retry-After") == (code == 503)
    assert Job.objects.get().submission_status == submission


def test_a_time_out_shows_what_was_printed_before(cast: Cast, fake: FakeGateway) -> None:
    fake.outcome = TimedOut("30 s", stdout=b"so far \xff")
    body = cast.alice("POST", "/api/jobs", ORDER).json()
    assert (body["exit_code"], body["standard_output"]) == (-1, "so far \ufffd")
    assert body["error_message"].startswith("timeout occurred")


def test_a_bug_says_nothing_of_itself(cast: Cast, fake: FakeGateway) -> None:
    fake.outcome = RuntimeError("inner secret")
    told = cast.alice("POST", "/api/jobs", ORDER).json()["error_message"]
    assert told == "internal error; tell the operators of this service the X-Request-Id of this answer"


def test_outputs_in_errors_are_capped(cast: Cast, fake: FakeGateway) -> None:
    fake.outcome = Rejected(1, "é" * 100_000, "x" * 100_000)
    body = cast.alice("POST", "/api/jobs", ORDER).json()
    assert (len(body["standard_output"].encode()), len(body["error_output"])) == (64 * 1024, 64 * 1024)


@pytest.mark.django_db(transaction=True)
def test_an_id_that_comes_round_again_means_the_new_job(cast: Cast, fake: FakeGateway) -> None:
    first = cast.alice("POST", "/api/jobs", ORDER | {"tag": "old"}).json()
    fake.outcome = Accepted(100)
    second = cast.alice("POST", "/api/jobs", ORDER | {"tag": "new"})
    assert second.status_code == 201
    assert second.json()["job_id"] == first["job_id"]
    assert cast.alice("GET", f"/api/jobs/{first['job_id']}").json()["tag"] == "new"
    assert [job["tag"] for job in cast.alice("GET", "/api/jobs").json()] == ["new", "old"]


def test_two_owners_of_one_id_keep_their_own_jobs(cast: Cast, fake: FakeGateway) -> None:
    job_id = cast.alice("POST", "/api/jobs", ORDER | {"tag": "alice's"}).json()["job_id"]
    fake.outcome = Accepted(100)
    assert cast.bob("POST", "/api/jobs", ORDER | {"tag": "bob's"}).status_code == 201
    assert cast.alice("GET", f"/api/jobs/{job_id}").json()["tag"] == "alice's"
    assert cast.bob("GET", f"/api/jobs/{job_id}").json()["tag"] == "bob's"


def test_a_disabled_cluster_is_not_known(cast: Cast, fake: FakeGateway, zeus: Cluster) -> None:
    zeus.enabled = False
    zeus.save()
    answer = cast.alice("POST", "/api/jobs", ORDER)
    assert answer.status_code == 422
    assert "known hosts: none" in answer.json()["error_message"]
    assert fake.calls == []


def test_the_token_is_the_rows_own_id(cast: Cast, fake: FakeGateway) -> None:
    cast.alice("POST", "/api/jobs", ORDER)
    assert uuid.UUID(fake.submitted[1]) == Job.objects.get().id


def test_json_that_is_nested_too_deeply_is_malformed(cast: Cast, fake: FakeGateway) -> None:
    answer = cast.alice("POST", "/api/jobs", b"[" * 100_000)
    assert answer.status_code == 422
    assert fake.calls == []


@pytest.mark.parametrize("body", [b'{"tag": "\\ud800"}', b'{"\\ud800": 1}', b'{"host": "\\udfff", "tag": "\\ud800x"}'])
def test_half_a_surrogate_is_422_in_valid_json(cast: Cast, fake: FakeGateway, body: bytes) -> None:
    answer = cast.alice("POST", "/api/jobs", body)
    assert answer.status_code == 422
    assert set(answer.json()) == ERROR_FIELDS
    assert fake.calls == []


def test_a_database_that_is_away_is_503(cast: Cast, fake: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("the database restarts")

    monkeypatch.setattr(statements, "prepared", away)
    answer = cast.alice("POST", "/api/jobs", ORDER)
    assert (answer.status_code, answer.has_header("Retry-After")) == (503, True)
    assert "restarts" not in answer.json()["error_message"]
    assert fake.calls == []
