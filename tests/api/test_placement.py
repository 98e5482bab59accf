"""Where sbatch gives a job to another cluster than the one it was sent to."""

import uuid
from typing import Any

import pytest

from clusters import gateway
from clusters.connectivity import ping
from clusters.errors import Failed, TimedOut
from clusters.models import Cluster
from clusters.slurm.sbatch import Accepted
from jobs import recovery
from jobs.models import Job, SubmissionStatus
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway
from tests.api.test_exactly_once import ORDER, grow_old

pytestmark = pytest.mark.django_db


@pytest.fixture
def prometheus(zeus: Cluster) -> Cluster:
    """The other registered cluster."""
    return Cluster.objects.create(
        name="prometheus.cyfronet.pl", address="127.0.0.1", host_keys=zeus.host_keys, slurm_name="prom",
        job_domain="prometheus.cyfronet.pl",
    )  # fmt: skip


def posted(cast: Cast, fake: FakeGateway, outcome: Any, **headers: Any) -> Any:
    fake.outcome = outcome
    answer = cast.alice("POST", "/api/jobs", ORDER, **headers)
    fake.outcome = None
    return answer


@pytest.mark.parametrize("name", ["prom", "PROM"])
def test_a_job_on_another_registered_cluster_is_registered_there(
    cast: Cast, fake: FakeGateway, prometheus: Cluster, name: str
) -> None:
    answer = posted(cast, fake, Accepted(77, name))
    assert answer.status_code == 201
    told = answer.json()
    assert (told["job_id"], told["host"]) == ("77.prometheus.cyfronet.pl", "prometheus.cyfronet.pl")
    assert answer["Location"].endswith("/api/jobs/77.prometheus.cyfronet.pl")
    assert Job.objects.get().cluster == prometheus
    assert cast.alice("GET", f"/api/jobs/{told['job_id']}").json()["job_id"] == told["job_id"]
    assert not [call for call in fake.calls if call.startswith("cancel")]


def test_an_id_of_the_other_cluster_that_comes_round_again_means_the_new_job(
    cast: Cast, fake: FakeGateway, prometheus: Cluster
) -> None:
    posted(cast, fake, Accepted(77, "prom"))
    assert posted(cast, fake, Accepted(77, "prom")).status_code == 201
    assert sorted(Job.objects.filter(cluster=prometheus, slurm_id=77).values_list("slurm_id_reused", flat=True)) == [
        False,
        True,
    ]


def test_a_job_on_a_cluster_that_is_not_registered_is_cancelled_there_and_refused(
    cast: Cast, fake: FakeGateway, prometheus: Cluster
) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "k1"}
    answer = posted(cast, fake, Accepted(77, "athena"), **key)
    assert answer.status_code == 422
    body = answer.json()
    assert (body["exit_code"], body["standard_output"]) == (0, "77;athena")
    assert "athena" in body["error_message"]
    assert body["error_message"].endswith("name one of these: prom, zeus.cyfronet.pl")
    assert "cancel 77 on athena" in fake.calls
    assert Job.objects.get().submission_status == SubmissionStatus.FAILED
    assert cast.alice("GET", "/api/jobs").json() == []
    assert posted(cast, fake, Accepted(78), **key).status_code == 422
    assert prometheus.jobs.count() == 0


@pytest.mark.parametrize("states", [["RUNNING"], ["CANCELLED", "PENDING"], ["A_NEW_WORD"]])
def test_a_job_that_could_not_be_cancelled_there_is_not_told_to_be(
    cast: Cast, fake: FakeGateway, prometheus: Cluster, states: list[str]
) -> None:
    fake.states_elsewhere = states
    answer = posted(cast, fake, Accepted(77, "athena"))
    assert answer.status_code == 408
    assert "acknowledge" not in fake.calls
    assert Job.objects.get().submission_status == SubmissionStatus.PENDING
    assert not prometheus.jobs.exists()


@pytest.mark.parametrize("states", [[], ["COMPLETING"], ["CANCELLED", "FAILED"]])
def test_a_job_that_is_ending_or_gone_there_is_cancelled(cast: Cast, fake: FakeGateway, states: list[str]) -> None:
    fake.states_elsewhere = states
    assert posted(cast, fake, Accepted(77, "athena")).status_code == 422


def test_the_name_of_the_jobs_own_cluster_is_at_home(cast: Cast, fake: FakeGateway, zeus: Cluster) -> None:
    assert posted(cast, fake, Accepted(77, "zeus")).json()["job_id"] == f"77.{zeus.job_domain}"
    zeus.slurm_name = "zeus2"
    zeus.save()
    assert posted(cast, fake, Accepted(78, "zeus2")).json()["job_id"] == f"78.{zeus.job_domain}"
    assert not [call for call in fake.calls if call.startswith(("name", "cancel"))]


def test_where_the_row_does_not_tell_slurms_name_slurm_is_asked(cast: Cast, fake: FakeGateway, zeus: Cluster) -> None:
    fake.slurms_name = "olympus"
    assert posted(cast, fake, Accepted(77, "olympus")).json()["job_id"] == f"77.{zeus.job_domain}"
    assert posted(cast, fake, Accepted(78, "athena")).status_code == 422
    assert [call for call in fake.calls if call.startswith(("name", "cancel"))] == [
        *("name of zeus.cyfronet.pl", "name of zeus.cyfronet.pl", "cancel 78 on athena")
    ]


def test_two_clusters_of_one_name_are_not_told_apart(
    cast: Cast, fake: FakeGateway, zeus: Cluster, prometheus: Cluster
) -> None:
    Cluster.objects.create(
        name="another", address="127.0.0.1", host_keys=zeus.host_keys, job_domain="another", slurm_name="prom"
    )
    assert posted(cast, fake, Accepted(77, "prom")).status_code == 422
    assert "cancel 77 on prom" in fake.calls
    assert not prometheus.jobs.exists()


@pytest.mark.parametrize(("name", "told"), [("prom", "submitted"), ("athena", "failed")])
def test_a_lost_submission_is_found_on_the_cluster_that_has_it(
    cast: Cast, fake: FakeGateway, zeus: Cluster, prometheus: Cluster, name: str, told: str
) -> None:
    lost = posted(cast, fake, TimedOut("30 s"))
    assert lost.status_code == 408
    token = uuid.UUID(lost["Submission-Id"])
    fake.lost = {token.hex: Accepted(77, name)}
    grow_old(seconds=50)
    recovery.recover(zeus, "plgalice")
    found = cast.alice("GET", f"/api/submissions/{token}").json()
    assert found["status"] == told
    assert prometheus.jobs.count() == (told == "submitted")
    assert ("cancel 77 on athena" in fake.calls) == (told == "failed")


@pytest.mark.parametrize(
    ("named", "answer"),
    [
        ("", "SLURM calls it zeus"),
        ("ZEUS", "SLURM calls it zeus"),
        ("", "SLURM calls it olympus: enter that as its slurm_name"),
    ],
)
def test_the_connection_test_tells_what_slurm_calls_the_cluster(
    zeus: Cluster, monkeypatch: pytest.MonkeyPatch, named: str, answer: str
) -> None:
    zeus.slurm_name = named
    monkeypatch.setattr(gateway, "ping", lambda *_: ("slurm 22.05.8", "UP"))
    monkeypatch.setattr(gateway, "slurm_name", lambda *_: answer.split()[3].rstrip(":"))
    assert ping(zeus, "").endswith(f"UP; {answer}")


def test_the_connection_test_fails_where_the_row_has_another_name(
    zeus: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeus.slurm_name = "athena"
    monkeypatch.setattr(gateway, "ping", lambda *_: ("slurm 22.05.8", "UP"))
    monkeypatch.setattr(gateway, "slurm_name", lambda *_: "zeus")
    with pytest.raises(Failed, match="SLURM calls this cluster zeus, and its slurm_name here is athena"):
        ping(zeus, "")
