"""Whom the service never becomes, whatever a mapping says."""

from typing import Any

import pytest

from clusters.errors import Refused
from clusters.ssh import connection, endpoint


@pytest.mark.parametrize(
    "account", ["root", "slurm", "munge", "nobody", "postgres", "", "Alice", "a b", "-x", "a" * 33, "a\n"]
)
def test_check_account_refuses_system_accounts_and_odd_names(account: str) -> None:
    with pytest.raises(Refused):
        endpoint.check_account(account)


def test_check_account_refuses_whom_a_site_names(settings: Any) -> None:
    endpoint.check_account("plgalice")
    settings.ACCOUNTS_NEVER_USED = ["plgalice"]
    with pytest.raises(Refused):
        endpoint.check_account("plgalice")
    with pytest.raises(Refused):
        endpoint.check_account("root")


@pytest.mark.parametrize(
    ("uid", "expected"),
    [(0, False), (999, False), (1000, True), (59_999, True), (60_000, False), (64_030, False), (64_999, False),
     (65_534, False), (65_535, False), (65_536, True), (1_234_567_890, True), (4_294_967_294, False)],
)  # fmt: skip
def test_uids_of_system_accounts_are_refused(uid: int, expected: bool) -> None:
    assert connection._may_be_used(uid) is expected


def test_uids_that_a_site_allows_are_allowed_and_no_others(settings: Any) -> None:
    settings.ACCOUNT_UIDS = [(500, 600), (7000, 7000)]
    assert [uid for uid in (499, 500, 600, 601, 1000, 6999, 7000, 7001) if connection._may_be_used(uid)] == [
        500,
        600,
        7000,
    ]
