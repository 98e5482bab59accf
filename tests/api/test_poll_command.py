"""`manage.py poll`: one look without Celery, and what it prints."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from clusters.errors import Unreachable
from clusters.models import Cluster, Poll
from tests.api.gateway import FakeGateway
from tests.api.test_end import record
from tests.api.test_polling import registered


def poll(*words: str) -> tuple[str, str]:
    """Run the command; return what it printed, and its complaint."""
    out = StringIO()
    try:
        call_command("poll", *words, stdout=out)
    except CommandError as exc:
        return out.getvalue(), str(exc)
    return out.getvalue(), ""


@pytest.mark.parametrize("words", [(), ("ZEUS",), ("zeus.cyfronet.pl",)])
def test_it_looks_once_and_prints_what_it_saw(fake: FakeGateway, zeus: Cluster, words: tuple[str, ...]) -> None:
    registered(zeus)
    fake.queued = [record("RUNNING")]
    printed, complaint = poll(*words)
    assert "zeus.cyfronet.pl: 1 jobs changed\n  as plgpoll: last answer at " in printed
    assert (complaint, fake.calls) == ("", ["queue everybody=True"])


def test_a_cluster_that_is_down_is_told_with_who_has_not_asked(fake: FakeGateway, zeus: Cluster) -> None:
    Cluster.objects.update(poll_account="")
    registered(zeus)
    registered(zeus, 101, "plgbob")
    fake.outcome = Unreachable("no route")
    printed, complaint = poll()
    assert ("as plgalice: Unreachable: no route\n  as plgbob: not asked yet" in printed, complaint) == (
        True,
        "a poll failed",
    )


def test_an_old_error_of_somebody_without_open_jobs_is_no_failure(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus)
    Poll.objects.create(cluster=zeus, account="plggone", error="Refused: account expired", failures=3)
    printed, complaint = poll()
    assert ("plggone" in printed, complaint, fake.calls[0]) == (False, "", "queue everybody=True")


@pytest.mark.usefixtures("zeus")
def test_a_name_that_is_no_clusters_is_told(fake: FakeGateway) -> None:
    assert poll("ares") == ("", "no cluster is called ares")
    assert poll("zeus") == ("no open jobs: nobody was asked\n", "")
    assert fake.calls == []
