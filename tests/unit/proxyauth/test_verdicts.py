"""Every valid proxy of a grid gets in, and nothing else: the verdict and the name of its rule, case by case."""

import re
from pathlib import Path

import pytest

from proxyauth.errors import Refused
from tests.unit.proxyauth.cases_accepted import ACCEPTED_CASES
from tests.unit.proxyauth.cases_format import FORMAT_CASES
from tests.unit.proxyauth.cases_names import NAME_CASES
from tests.unit.proxyauth.cases_path import PATH_CASES
from tests.unit.proxyauth.cases_possession import POSSESSION_CASES
from tests.unit.proxyauth.cases_proxies import PROXY_CASES
from tests.unit.proxyauth.cases_trust import TRUST_CASES
from tests.unit.proxyauth.trial import Case, run, verdict


@pytest.mark.parametrize("case", ACCEPTED_CASES, ids=str)
def test_a_valid_credential_gets_in(case: Case, tmp_path: Path) -> None:
    assert run(case.make(), tmp_path) == case.verdict


REFUSED_CASES = [*FORMAT_CASES, *POSSESSION_CASES, *PROXY_CASES, *PATH_CASES, *NAME_CASES, *TRUST_CASES]


def is_sentence(message: str) -> bool:
    """Whether a refusal says in words what is wrong: it begins small, and its acronyms are great."""
    begins = re.match("[a-z]+[ ']|OpenSSL ", message)
    return begins is not None and not re.search(r"\b(ca|pem|der|rsa|nul|base64|openssl|proxycertinfo)\b", message)


@pytest.mark.parametrize("case", REFUSED_CASES, ids=str)
def test_what_is_no_valid_credential_stays_out(case: Case, tmp_path: Path) -> None:
    refused = verdict(case.make(), tmp_path)
    assert isinstance(refused, Refused)
    assert refused.rule == case.verdict
    assert is_sentence(refused.message)
