"""What operators run when somebody says that the service does not let them in."""

import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from proxyauth import rules
from tests.pki import grid, keys
from tests.pki.mint import crl
from tests.pure.proxyauth.conftest import Site
from tests.pure.proxyauth.trial import alice, the_ca, the_trust


def _check(*arguments: str | Path) -> tuple[int, str]:
    """The exit code and all that was written."""
    written = StringIO()
    try:
        call_command("checkproxy", *map(str, arguments), stdout=written, stderr=written)
    except SystemExit as exc:
        return int(str(exc.code)), written.getvalue()
    return 0, written.getvalue()


@pytest.fixture
def proxy(site: Site, tmp_path: Path) -> Path:
    """A file with alice's proxy."""
    (tmp_path / "proxy").write_bytes(site.proxy())
    return tmp_path / "proxy"


@pytest.fixture
def foreign(tmp_path: Path) -> list[str]:
    """Options that judge by another grid's trust directory, at its time."""
    (tmp_path / "foreign").mkdir()
    for name, contents in the_trust().items():
        (tmp_path / "foreign" / name).write_bytes(contents)
    return ["--trust-dir", str(tmp_path / "foreign"), "--at", "2026-06-01T12:00:00Z"]


def test_a_good_proxy_is_described_with_every_rule(proxy: Path, site: Site) -> None:
    code, text = _check(proxy)
    assert code == 0
    for words in (
        "type:    rfc\n",
        f"DN:      {grid.ALICE}\n",
        f"serial:  {site.alice.serial:x}\n",
        "account: plgalice\n",
        f"{proxy}: accepted {grid.ALICE}\n",
        "  ok      possession\n",
        f"{grid.ALICE}\n  ok      key\n",
        "the chain\n  ok      openssl\n",
    ):
        assert words in text
    assert " to " in next(line for line in text.splitlines() if line.startswith("valid:   2"))
    named = [rule.name for rule in rules.PATH_RULES]
    named += [rule.name for table in rules.LINK_RULES.values() for rule in table]
    assert [name for name in named if f"  ok      {name}\n" not in text] == []


def test_rules_stand_under_the_name_of_what_kept_them(proxy: Path) -> None:
    _, text = _check(proxy)
    heads = [line for line in text.splitlines() if re.match(r"the |/C", line)]
    assert heads[:4] == ["the file", "the chain", grid.CA_NAME, grid.ALICE]


def test_a_refused_proxy_names_its_rule(tmp_path: Path, site: Site) -> None:
    (tmp_path / "proxy").write_bytes(site.proxy().replace(b"RSA PRIVATE", b"EC PRIVATE"))
    code, text = _check(tmp_path / "proxy")
    assert code == 1
    assert f"{tmp_path / 'proxy'}: refused key-not-of-leaf\n" in text
    assert "  FAILED  key-not-of-leaf: the private key" in text


def test_a_stranger_is_refused_and_described(tmp_path: Path, site: Site) -> None:
    (tmp_path / "proxy").write_bytes(site.proxy(site.user("/C=PL/O=Grid/CN=Carol")))
    code, text = _check(tmp_path / "proxy")
    assert code == 1
    assert "DN:      /C=PL/O=Grid/CN=Carol\n" in text
    assert text.endswith("refused dn-unmapped\n")


def test_a_file_that_is_not_there_is_unreadable(site: Site) -> None:
    code, text = _check(site.trust_dir / "nothing")
    assert (code, text) == (2, f"{site.trust_dir / 'nothing'}: unreadable: No such file or directory\n")


def test_several_files_get_a_line_each(proxy: Path, site: Site, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"nothing")
    assert _check(proxy, proxy) == (0, f"{proxy}: accepted {grid.ALICE}\n" * 2)
    code, text = _check(proxy, tmp_path / "bad")
    assert (code, text) == (1, f"{proxy}: accepted {grid.ALICE}\n{tmp_path / 'bad'}: refused not-pem\n")
    code, text = _check(tmp_path / "none", tmp_path / "bad")
    lines = f"{tmp_path / 'none'}: unreadable No such file or directory\n{tmp_path / 'bad'}: refused not-pem\n"
    assert (code, text) == (2, lines)
    assert site.gridmap.exists()


def test_foreign_proxies_need_no_account(tmp_path: Path, foreign: list[str]) -> None:
    (tmp_path / "proxy").write_bytes(grid.proxy_file(grid.legacy(alice()), alice()))
    code, text = _check(tmp_path / "proxy", *foreign)
    assert code == 0
    assert "type:    legacy\n" in text
    assert "account: not asked for\n" in text
    assert _check(tmp_path / "proxy", tmp_path / "proxy", *foreign)[0] == 0


def test_a_map_can_be_named_with_a_foreign_trust(tmp_path: Path, foreign: list[str]) -> None:
    (tmp_path / "proxy").write_bytes(grid.proxy_file(grid.legacy(alice()), alice()))
    (tmp_path / "map").write_text(f'"{grid.ALICE}" guest\n')
    assert "account: guest\n" in _check(tmp_path / "proxy", *foreign, "--gridmap", tmp_path / "map")[1]
    (tmp_path / "map").write_text("# nobody\n")
    assert _check(tmp_path / "proxy", *foreign, "--gridmap", tmp_path / "map")[0] == 1


def test_a_time_is_utc_unless_it_says_otherwise(tmp_path: Path, foreign: list[str]) -> None:
    (tmp_path / "proxy").write_bytes(grid.proxy_file(grid.rfc(alice()), alice()))
    for moment, code in (
        ("2026-06-01T11:00:00", 0),
        ("2026-06-01T10:59:59", 1),
        ("2026-06-01T13:00:00+02:00", 0),
        ("2026-06-01T12:59:59+02:00", 1),
        ("2026-06-02", 1),
    ):
        assert _check(tmp_path / "proxy", *foreign, "--at", moment)[0] == code


def test_lists_and_policies_can_be_left_out(tmp_path: Path, foreign: list[str]) -> None:
    (tmp_path / "proxy").write_bytes(grid.proxy_file(grid.rfc(alice()), alice()))
    (tmp_path / "foreign/0123abcd.r0").write_bytes(crl(the_ca(), [alice().serial]))
    assert _check(tmp_path / "proxy", *foreign)[1].endswith("refused revoked\n")
    assert _check(tmp_path / "proxy", *foreign, "--no-crl")[0] == 0
    (tmp_path / "foreign/0123abcd.signing_policy").unlink()
    assert _check(tmp_path / "proxy", *foreign, "--no-crl")[1].endswith("refused signing-policy-missing\n")
    assert _check(tmp_path / "proxy", *foreign, "--no-crl", "--no-signing-policy")[0] == 0


def test_a_limited_proxy_is_called_so(tmp_path: Path, foreign: list[str], settings: Settings) -> None:
    settings.PROXY_ALLOW_LIMITED = True
    leaf = grid.rfc(alice(), grid.proxy_info(grid.LIMITED))
    (tmp_path / "proxy").write_bytes(grid.proxy_file(leaf, alice(), key=keys.pkcs8(leaf.key)))
    assert "type:    rfc, limited\n" in _check(tmp_path / "proxy", *foreign)[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trust-dir", "/nowhere"], "trust directory: .*No such file"),
        (["--gridmap", "/nowhere"], "grid-mapfile: .*No such file"),
        (["--at", "yesterday"], "invalid .* value: 'yesterday'"),
    ],
)
def test_what_cannot_be_judged_against_is_an_error(proxy: Path, options: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message) as error:
        _check(proxy, *options)
    assert error.value.returncode in {1, 2}


def test_a_wrong_setting_is_an_error(proxy: Path, settings: Settings) -> None:
    settings.PROXY_CRL = "sometimes"
    with pytest.raises(CommandError, match="PROXY_CRL: 'sometimes' is not possible") as error:
        _check(proxy)
    assert error.value.returncode == 2
