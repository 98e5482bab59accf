"""`manage.py doctor` about clusters: each fault is told, and comes with what to do."""

import pytest

from clusters.errors import ClusterError, Failed, Refused, TimedOut, Unreachable
from clusters.models import Cluster
from submitter.ops.doctor import cluster_checks
from submitter.ops.doctor.finding import Level
from tests.api.findings import one
from tests.api.gateway import FakeGateway

pytestmark = pytest.mark.usefixtures("zeus")


def test_a_cluster_that_answers_is_fine(zeus: Cluster, fake: FakeGateway) -> None:
    assert zeus.poll_account
    assert [finding.level for finding in cluster_checks.look()] == [Level.OK] * 2
    assert fake.calls[-2:] == ["queue everybody=True", "history"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Unreachable("shows a host key that is not pinned"), "host keys"),
        (Refused("not let in"), "TrustedUserCAKeys"),
        (TimedOut("no end"), "command_timeout"),
        (Failed("sbatch: not found"), "slurm_bin"),
    ],
)
def test_a_cluster_that_does_not_answer_is_found_with_what_to_do(
    fake: FakeGateway, error: ClusterError, told: str
) -> None:
    fake.outcome = error
    found = one(cluster_checks.look(), "cluster zeus.cyfronet.pl")
    assert found.level is Level.FAIL
    assert told in found.remedy
    assert str(error) in found.message


def test_accounting_that_does_not_answer_is_found(fake: FakeGateway) -> None:
    def fail() -> None:
        if fake.calls[-1] == "history":
            raise Failed("sacct: no connection")

    fake.during = fail
    assert [finding.level for finding in cluster_checks.look()] == [Level.OK, Level.FAIL]


@pytest.mark.parametrize(
    ("server", "levels"),
    [
        ("SSH-2.0-OpenSSH_9.7p1", [Level.OK]),
        ("SSH-2.0-OpenSSH_9.8p1 Ubuntu-1", [Level.OK, Level.NOTE]),
        ("SSH-2.0-OpenSSH_10.0p2 Debian-7", [Level.OK, Level.NOTE]),
        ("SSH-2.0-dropbear_2024.86", [Level.OK]),
        (f"SSH-2.0-OpenSSH_{'9' * 200}", [Level.OK]),
    ],
)
def test_a_server_that_drops_addresses_after_failed_logins_is_noted(
    zeus: Cluster, fake: FakeGateway, server: str, levels: list[Level]
) -> None:
    Cluster.objects.filter(pk=zeus.pk).update(poll_account="")
    fake.server = server
    found = list(cluster_checks.look())
    assert [finding.level for finding in found] == levels
    assert ["PerSourcePenaltyExemptList" in finding.remedy for finding in found[1:]] == [True] * len(found[1:])


def test_a_disabled_cluster_is_noted_and_none_at_all_is_found(zeus: Cluster) -> None:
    Cluster.objects.filter(pk=zeus.pk).update(enabled=False, disabled_message="until 6 pm")
    assert one(cluster_checks.look(), "cluster zeus.cyfronet.pl").level is Level.NOTE
    zeus.delete()
    assert one(cluster_checks.look(), "clusters").level is Level.FAIL
