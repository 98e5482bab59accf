"""A cluster that was changed after a process had read its row: the next submission is as the row says now."""

import uuid

import pytest

from clusters.models import Cluster
from jobs import hosts
from jobs.models import Job
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway

ORDER = {"host": "zeus", "script": "#!/bin/bash\n"}

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def known(cast: Cast, fake: FakeGateway, zeus: Cluster) -> Cluster:
    """A cluster to which this process has submitted before."""
    assert cast.alice("POST", "/api/jobs", ORDER).status_code == 201
    fake.calls.clear()
    return zeus


def test_one_that_is_closed_takes_nothing_more(cast: Cast, fake: FakeGateway, known: Cluster) -> None:
    Cluster.objects.filter(pk=known.pk).update(enabled=False, disabled_message="maintenance until 6 pm")
    answer = cast.alice("POST", "/api/jobs", ORDER)
    assert (answer.status_code, "maintenance until 6 pm" in answer.json()["error_message"]) == (503, True)
    assert (fake.calls, Job.objects.count(), answer.has_header("Submission-Id")) == ([], 1, False)


def test_one_that_is_opened_again_takes_jobs_at_once(cast: Cast, fake: FakeGateway, known: Cluster) -> None:
    for enabled, code in ((False, 422), (True, 201), (False, 422), (True, 201)):
        Cluster.objects.filter(pk=known.pk).update(enabled=enabled)
        assert cast.alice("POST", "/api/jobs", ORDER).status_code == code
    assert fake.calls.count("submit") == 2


def test_one_that_is_removed_is_unknown(cast: Cast, fake: FakeGateway, known: Cluster) -> None:
    Job.objects.all().delete()
    known.delete()
    answer = cast.alice("POST", "/api/jobs", ORDER)
    assert (answer.status_code, "unknown host" in answer.json()["error_message"]) == (422, True)
    assert fake.calls == []


def test_a_name_that_means_another_one_now_leads_there(cast: Cast, fake: FakeGateway, known: Cluster) -> None:
    other = Cluster.objects.create(name="ares.cyfronet.pl", address="127.0.0.2", host_keys=["k"], job_domain="ares")
    Cluster.objects.filter(pk=known.pk).update(aliases=[])
    Cluster.objects.filter(pk=other.pk).update(aliases=["zeus"])
    answer = cast.alice("POST", "/api/jobs", ORDER)
    assert (answer.json()["host"], answer.json()["job_id"].endswith(".ares")) == ("ares.cyfronet.pl", True)
    assert fake.calls.count("submit") == 1


def test_a_key_is_not_used_up_by_what_was_looked_at_in_vain(cast: Cast, fake: FakeGateway, known: Cluster) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": str(uuid.uuid4())}
    Cluster.objects.filter(pk=known.pk).update(port=2222)
    answers = [cast.alice("POST", "/api/jobs", ORDER, **key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert fake.calls.count("submit") == 1


def test_a_row_is_another_one_after_each_change_also_within_a_transaction(known: Cluster) -> None:
    first = hosts.get_host("zeus")
    assert first is not None
    assert hosts.get_host("zeus") is first
    hosts.forget(first)
    again = hosts.get_host("ZEUS")
    assert again == first
    Cluster.objects.filter(pk=known.pk).update(port=2222)
    hosts.forget(first)
    changed = hosts.get_host("zeus")
    assert changed is not None
    assert (changed.ctid, changed.xmin) != (first.ctid, first.xmin)
