"""Signing policies, as SimpleCA and the grid's CAs write them."""

import pytest

from proxyauth.errors import Unreadable
from proxyauth.x509 import signing_policy

_HEAD = "access_id_CA   X509   '/C=PL/O=Grid/CN=CA'\npos_rights     globus CA:sign\n"


def _allows(patterns: str, subject_key: str) -> bool:
    (policy,) = signing_policy.parse(f"{_HEAD}cond_subjects  globus  '{patterns}'\n")
    assert policy.authority == "/c=pl/o=grid/cn=ca"
    return policy.allows(subject_key)


@pytest.mark.parametrize(
    ("patterns", "subject_key"),
    [
        ('"/C=PL/O=Grid/*"', "/c=pl/o=grid/cn=alice"),
        ('"/C=DE/*" "/C=PL/*"', "/c=pl/o=grid/cn=alice"),
        ('"*"', "/c=pl/o=grid/cn=alice"),
        ("/C=PL/O=Grid/*", "/c=pl/o=grid/cn=alice"),
        ('"/C=PL/O=Grid/CN=Alic?"', "/c=pl/o=grid/cn=alice"),
        ('"/C=PL/O=Grid/CN=Alice"', "/c=pl/o=grid/cn=alice"),
        ('"/C=PL/*/Email=*"', "/c=pl/o=grid/emailaddress=a@example.org"),
        ('"/O=A+B (c)/*"', "/o=a+b (c)/cn=alice"),
    ],
)
def test_a_subject_that_fits_is_allowed(patterns: str, subject_key: str) -> None:
    assert _allows(patterns, subject_key)


@pytest.mark.parametrize(
    ("patterns", "subject_key"),
    [
        ('"/C=DE/*"', "/c=pl/o=grid/cn=alice"),
        ('"/C=PL/O=Grid"', "/c=pl/o=grid/cn=alice"),
        ('"C=PL/*"', "/c=pl/o=grid/cn=alice"),
        ('"/C=PL/O=Grid/CN=Alice?"', "/c=pl/o=grid/cn=alice"),
        ('"/C=PL/O.Grid/*"', "/c=pl/o=grid/cn=alice"),
        ("", "/c=pl/o=grid/cn=alice"),
    ],
)
def test_a_subject_that_does_not_fit_is_not(patterns: str, subject_key: str) -> None:
    assert not _allows(patterns, subject_key)


def test_a_file_may_speak_of_several_authorities() -> None:
    polish_text = f"# two\n\n{_HEAD}cond_subjects globus '\"/C=PL/*\"'\n"
    polish, german = signing_policy.parse(polish_text + polish_text.replace("PL", "DE"))
    assert polish.allows("/c=pl/cn=a")
    assert not polish.allows("/c=de/cn=a")
    assert german.allows("/c=de/cn=a")


def test_a_comment_may_follow_on_the_line() -> None:
    (policy,) = signing_policy.parse(f"{_HEAD}cond_subjects globus '\"*\"' # all\n")
    assert policy.allows("/cn=a")


@pytest.mark.parametrize(
    "text",
    [
        "access_id_CA X509\n",
        "access_id_CA PGP '/C=PL'\n",
        "pos_rights globus CA:sign\n",
        "cond_subjects globus '\"*\"'\n",
        "access_id_CA X509 '/C=PL'\ncond_subjects globus '\"*\"'\n",
        f"{_HEAD}access_id_CA X509 '/C=DE'\ncond_subjects globus '\"*\"'\n",
        f"{_HEAD}neg_rights globus CA:sign\n",
        f'{_HEAD}cond_subjects globus "*" more\n',
        f"{_HEAD}cond_subjects globus '\"*'\n",
        f'{_HEAD}cond_subjects globus \'"*"\n',
    ],
)
def test_what_is_not_understood_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable, match="signing policy"):
        signing_policy.parse(text)
