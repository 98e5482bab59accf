"""The trust directory is followed: what changes counts at once, what breaks keeps its last good version."""

import os
from base64 import b64decode
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from proxyauth.policy import Need, Policy
from proxyauth.trust import store
from proxyauth.trust.file_reload import ReloadingFile
from proxyauth.trust.store import Trust
from tests.pki import asn1, grid, keys, names
from tests.pki.mint import DAY, NOW, YEAR, Form, certificate, crl
from tests.unit.proxyauth.trial import the_ca, the_trust

_NAME = "CA /C=PL/O=Grid/CN=Grid CA: "


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A trust directory with one CA."""
    for name, contents in the_trust().items():
        (tmp_path / name).write_bytes(contents)
    return tmp_path


@pytest.fixture
def followed(directory: Path) -> ReloadingFile[Trust]:
    """The same, followed and read once."""
    followed = store.follow(directory)
    followed.state()
    return followed


def _recorded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read from now on."""
    read: list[str] = []

    def record(path: Path) -> bytes:
        read.append(path.name)
        return path.read_bytes()

    monkeypatch.setattr(store, "_bytes", record)
    return read


def _names(trusted: Trust) -> list[str]:
    return [each.certificate.subject_key for each in trusted.anchors.authorities]


def test_a_directory_is_read(followed: ReloadingFile[Trust]) -> None:
    (authority,) = followed.state().value.anchors.authorities
    assert authority.policy is not None
    assert authority.crl is not None
    assert followed.state().value.problems(NOW, Policy()) == []


def test_a_new_authority_counts_at_once(followed: ReloadingFile[Trust], directory: Path) -> None:
    (directory / "ffffffff.0").write_bytes(grid.ca("/C=DE/CN=CA", label="other").pem)
    assert sorted(_names(followed.state().value)) == ["/c=de/cn=ca", "/c=pl/o=grid/cn=grid ca"]


def test_a_removed_authority_counts_no_more(followed: ReloadingFile[Trust], directory: Path) -> None:
    before = followed.state().value.digest
    (directory / "0123abcd.0").unlink()
    assert _names(followed.state().value) == []
    assert followed.state().value.digest != before


def test_a_list_that_is_written_over_in_place_counts_at_once(followed: ReloadingFile[Trust], directory: Path) -> None:
    before = followed.state().value
    (directory / "0123abcd.r0").write_bytes(crl(the_ca(), [77]))
    after = followed.state().value
    (authority,) = after.anchors.authorities
    assert authority.crl is not None
    assert authority.crl.revoked == {77}
    assert after.digest != before.digest


def test_a_change_of_the_same_size_and_time_counts(followed: ReloadingFile[Trust], directory: Path) -> None:
    file = directory / "0123abcd.signing_policy"
    old = file.stat()
    file.write_bytes(file.read_bytes().replace(b"O=Grid/*", b"O=Grad/*"))
    os.utime(file, ns=(old.st_atime_ns, old.st_mtime_ns))
    (authority,) = followed.state().value.anchors.authorities
    assert authority.policy is not None
    assert not authority.policy.allows("/c=pl/o=grid/cn=a")


def test_files_that_did_not_change_are_not_read_again(
    followed: ReloadingFile[Trust], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = max(file.stat().st_ctime_ns for file in directory.iterdir()) + 10**9
    monkeypatch.setattr("time.time_ns", lambda: later)
    followed.state()
    read = _recorded(monkeypatch)
    assert followed.state() is followed.state()
    (directory / "0123abcd.r0").write_bytes(crl(the_ca(), [77]))
    followed.state()
    assert set(read) == {"0123abcd.r0"}


def test_a_young_file_is_read_again_until_it_has_settled(
    followed: ReloadingFile[Trust], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one tick of the kernel's clock a second write leaves no trace in the times."""
    written = max(file.stat().st_ctime_ns for file in directory.iterdir())
    read = _recorded(monkeypatch)
    for age, expected in ((10**7, 3), (10**7, 3), (2 * 10**8, 3), (2 * 10**8, 0)):
        monkeypatch.setattr("time.time_ns", lambda age=age: written + age)
        read.clear()
        followed.state()
        assert len(read) == expected


@pytest.mark.parametrize("name", ["0123abcd.0", "0123abcd.r0", "0123abcd.signing_policy"])
def test_a_file_that_breaks_keeps_its_last_good_version(
    followed: ReloadingFile[Trust], directory: Path, name: str
) -> None:
    before = followed.state().value
    (directory / name).write_bytes(the_trust()[name][:-40])
    after = followed.state().value
    assert after.anchors == before.anchors
    assert [each.partition(" is used")[0] for each in after.problems(NOW, Policy())] == [
        f"{name}: the last good version"
    ]
    (directory / name).write_bytes(the_trust()[name])
    assert followed.state().value.problems(NOW, Policy()) == []


def test_a_directory_that_vanishes_keeps_its_last_good_version(followed: ReloadingFile[Trust], directory: Path) -> None:
    before = followed.state().value
    directory.rename(directory.parent / "away")
    state = followed.state()
    assert state.value is before
    assert "No such file" in state.fault
    (directory.parent / "away").rename(directory)
    assert followed.state().fault == ""


def test_a_directory_that_was_never_there_trusts_nobody(tmp_path: Path) -> None:
    state = store.follow(tmp_path / "nowhere").state()
    assert "No such file" in state.fault
    assert state.value.problems(NOW, Policy()) == ["the trust directory holds no CA"]


def test_a_ca_under_both_names_is_one(directory: Path) -> None:
    for kind in ("0", "r0", "signing_policy"):
        (directory / f"ffffffff.{kind}").symlink_to(f"0123abcd.{kind}")
    assert _names(store.follow(directory).state().value) == ["/c=pl/o=grid/cn=grid ca"]


def test_files_of_other_names_mean_nothing(followed: ReloadingFile[Trust], directory: Path) -> None:
    other = grid.ca("/C=DE/CN=CA", label="other").pem
    for name in ("ca.pem", "0123abcd.0.bak", "0123ABCD.0", "0123abc.0", "0123abcd.x0", "0123abcd.0~", ".0123abcd.0"):
        (directory / name).write_bytes(other)
    assert len(followed.state().value.files) == 3


def test_a_link_that_leads_nowhere_is_a_problem_and_no_more(followed: ReloadingFile[Trust], directory: Path) -> None:
    (directory / "ffffffff.0").symlink_to("nowhere")
    state = followed.state()
    assert not state.fault
    assert "ffffffff.0: " in state.value.problems(NOW, Policy())[0]
    assert len(state.value.anchors.authorities) == 1


def test_a_file_that_is_far_too_large_is_not_read(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_MAX_FILE", 100)
    problems = store.follow(directory).state().value.problems(NOW, Policy())
    assert "0123abcd.0: it is larger than 100 bytes" in problems


@pytest.mark.parametrize(
    ("files", "policy", "expected"),
    [
        ({"r0": None}, Policy(), []),
        ({"r0": None}, Policy(crl=Need.REQUIRE), ["it has no revocation list"]),
        ({"r0": ("stale",)}, Policy(), ["its revocation list is out of date"]),
        ({"r0": ("stale",)}, Policy(crl=Need.IGNORE), []),
        ({"r0": ("soon",)}, Policy(), ["its revocation list ends at 2026-06-01 22:00 UTC"]),
        ({"r0": ("short",)}, Policy(), []),
        ({"r0": ("endless",)}, Policy(), []),
        ({"r0": ("forged",)}, Policy(), ["its revocation list cannot be used (crl-signature)"]),
        ({"r0": ("weak",)}, Policy(), ["its revocation list is signed with a digest that is too weak (sha1)"]),
        ({"r0": ("weak",)}, Policy(weak_hashes=frozenset({"sha1"})), []),
        ({"r0": ("weak",)}, Policy(crl=Need.IGNORE), []),
        ({"signing_policy": None}, Policy(), ["it has no signing policy that can be read"]),
        ({"signing_policy": None}, Policy(signing_policy=Need.IF_PRESENT), []),
        (
            {"signing_policy": ("other",)},
            Policy(signing_policy=Need.IF_PRESENT),
            ["it has no signing policy that can be read"],
        ),
        ({"signing_policy": ("other",)}, Policy(signing_policy=Need.IGNORE), []),
    ],
)
def test_operators_hear_of_trouble_before_users_do(
    directory: Path, files: dict[str, tuple[str] | None], policy: Policy, expected: list[str]
) -> None:
    lists = {
        "stale": lambda: crl(the_ca(), start=NOW - 9 * DAY, end=NOW - DAY),
        "soon": lambda: crl(the_ca(), start=NOW - 29 * DAY, end=NOW + timedelta(hours=10)),
        "short": lambda: crl(the_ca(), start=NOW - timedelta(hours=1), end=NOW + timedelta(hours=10)),
        "endless": lambda: crl(the_ca(), end=None),
        "other": lambda: grid.signing_policy("/C=DE/CN=CA", "*").encode(),
        "weak": lambda: crl(the_ca(), digest="sha1"),
        "forged": lambda: crl(the_ca(), signed_with=keys.rsa_key("thief")),
    }
    for kind, made in files.items():
        (directory / f"0123abcd.{kind}").unlink()
        if made:
            (directory / f"0123abcd.{kind}").write_bytes(lists[made[0]]())
    assert store.follow(directory).state().value.problems(NOW, policy) == [_NAME + each for each in expected]


def test_operators_hear_of_an_expired_authority(directory: Path) -> None:
    old = grid.ca(form=Form(start=NOW - YEAR, end=NOW - DAY))
    (directory / "0123abcd.0").write_bytes(old.pem)
    assert store.follow(directory).state().value.problems(NOW, Policy()) == [f"{_NAME}it has expired"]


def test_an_authority_whose_key_cannot_verify_is_a_problem_and_no_more(directory: Path) -> None:
    strange = certificate(names.name("/C=DE/CN=CA"), keys.ed25519_key("ca"), None, [grid.basic_constraints(ca=True)])
    (directory / "ffffffff.0").write_bytes(strange.pem)
    trusted = store.follow(directory).state().value
    assert _names(trusted) == ["/c=pl/o=grid/cn=grid ca"]
    assert [problem[:40] for problem in trusted.problems(NOW, Policy())] == ["ffffffff.0: it is not a certificate: key"]


def test_a_list_signed_in_an_unknown_way_is_not_its_authority_s(directory: Path) -> None:
    raw = b"".join(crl(the_ca()).splitlines()[1:-1])
    unknown = b64decode(raw).replace(asn1.oid("1.2.840.113549.1.1.11"), asn1.oid("1.2.840.113549.1.1.77"))
    (directory / "0123abcd.r0").write_bytes(unknown)
    (authority,) = store.follow(directory).state().value.anchors.authorities
    assert (authority.crl, authority.crl_fault) == (None, "crl-signature")


def test_the_digest_is_that_of_the_contents(directory: Path, followed: ReloadingFile[Trust]) -> None:
    before = followed.state().value
    for name, contents in the_trust().items():
        (directory / name).unlink()
        (directory / name).write_bytes(contents)
    assert followed.state().value.digest == before.digest
    assert replace(before, digest=b"") != before


_LAST = "the last one counts until a file holds it again, or the service is restarted"
_GONE = f"{_NAME}its revocation list has gone, or is older than before; {_LAST}"


@pytest.fixture
def revoking(directory: Path, followed: ReloadingFile[Trust]) -> ReloadingFile[Trust]:
    """The directory, read once with a list that revokes the certificate 77."""
    (directory / "0123abcd.r0").write_bytes(crl(the_ca(), [77]))
    assert _revoked(followed) == {77}
    return followed


def _revoked(followed: ReloadingFile[Trust]) -> set[int] | None:
    (authority,) = followed.state().value.anchors.authorities
    return set(authority.crl.revoked) if authority.crl else None


def test_a_list_that_vanishes_counts_on_and_is_reported(revoking: ReloadingFile[Trust], directory: Path) -> None:
    (directory / "0123abcd.r0").unlink()
    assert _revoked(revoking) == {77}
    assert revoking.state().value.problems(NOW, Policy()) == [_GONE]
    assert revoking.state().value.problems(NOW, Policy(crl=Need.IGNORE)) == []
    (directory / "0123abcd.r0").write_bytes(crl(the_ca(), [78], start=NOW))
    assert _revoked(revoking) == {78}
    assert revoking.state().value.problems(NOW, Policy()) == []


def test_a_list_that_vanished_grows_stale_like_any_other(revoking: ReloadingFile[Trust], directory: Path) -> None:
    (directory / "0123abcd.r0").unlink()
    problems = revoking.state().value.problems(NOW + 31 * DAY, Policy())
    assert problems == [_GONE, f"{_NAME}its revocation list is out of date"]


def test_an_older_list_does_not_replace_a_newer_one(revoking: ReloadingFile[Trust], directory: Path) -> None:
    (directory / "0123abcd.r0").write_bytes(crl(the_ca(), [], start=NOW - 2 * DAY))
    assert _revoked(revoking) == {77}
    assert revoking.state().value.problems(NOW, Policy()) == [_GONE]


def test_a_list_under_another_name_is_not_gone(revoking: ReloadingFile[Trust], directory: Path) -> None:
    (directory / "0123abcd.r0").rename(directory / "ffffffff.r3")
    assert _revoked(revoking) == {77}
    assert revoking.state().value.problems(NOW, Policy()) == []


def test_a_list_is_remembered_while_its_authority_or_a_usable_list_is_away(
    revoking: ReloadingFile[Trust], directory: Path
) -> None:
    """As while a package is upgraded, which removes its files one by one and writes new ones."""
    (directory / "0123abcd.0").unlink()
    assert _names(revoking.state().value) == []
    (directory / "0123abcd.r0").unlink()
    assert revoking.state().value.problems(NOW, Policy()) == ["the trust directory holds no CA"]
    (directory / "0123abcd.0").write_bytes(the_ca().pem)
    assert _revoked(revoking) == {77}
    (directory / "0123abcd.r0").write_bytes(crl(the_ca(), signed_with=keys.rsa_key("thief")))
    assert _revoked(revoking) is None
    assert revoking.state().value.problems(NOW, Policy()) == [
        f"{_NAME}its revocation list cannot be used (crl-signature)"
    ]
    (directory / "0123abcd.r0").unlink()
    assert _revoked(revoking) == {77}


def test_a_list_of_another_key_is_nobody_s_memory(revoking: ReloadingFile[Trust], directory: Path) -> None:
    (directory / "0123abcd.r0").unlink()
    (directory / "0123abcd.0").write_bytes(grid.ca(label="another key").pem)
    assert _revoked(revoking) is None


@pytest.mark.parametrize(
    ("policy", "problems"),
    [
        (Policy(signing_policy=Need.REQUIRE), [f"{_NAME}it has no signing policy that can be read"]),
        (Policy(signing_policy=Need.IF_PRESENT), [f"{_NAME}its signing policy has gone; {_LAST}"]),
        (Policy(signing_policy=Need.IGNORE), []),
    ],
    ids=["require", "if present", "ignore"],
)
def test_a_signing_policy_that_vanishes_widens_nothing_and_is_reported(
    followed: ReloadingFile[Trust], directory: Path, policy: Policy, problems: list[str]
) -> None:
    (directory / "0123abcd.signing_policy").unlink()
    (authority,) = followed.state().value.anchors.authorities
    assert authority.policy is not None
    assert not authority.policy.allows("/c=de/cn=a")
    assert authority.lacks_policy(policy.signing_policy) == (policy.signing_policy is Need.REQUIRE)
    assert followed.state().value.problems(NOW, policy) == problems
    (directory / "0123abcd.signing_policy").write_text(grid.signing_policy(grid.CA_NAME, "*"))
    assert followed.state().value.problems(NOW, policy) == []
