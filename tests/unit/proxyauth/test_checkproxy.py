"""What operators run when somebody says that the service does not let them in."""

import base64
import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from manage import settings_for
from proxyauth.validation import rules
from tests.pki import grid, keys
from tests.pki.mint import HOUR, Form, crl
from tests.unit.proxyauth.conftest import Site
from tests.unit.proxyauth.trial import alice, the_ca, the_trust


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
        (["--at", "yesterday"], "argument --at: 'yesterday' is no time of the form 2026-11-27T12:00 or "),
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


def _without_key(proxy: bytes) -> bytes:
    return re.sub(b"-----BEGIN RSA.*KEY-----\n", b"", proxy, flags=re.DOTALL)


def test_a_proxy_without_its_key_is_judged_and_it_is_said_that_nothing_is_proven(tmp_path: Path, site: Site) -> None:
    (tmp_path / "proxy").write_bytes(_without_key(site.proxy()))
    code, text = _check(tmp_path / "proxy")
    assert code == 0
    assert "  ok      possession\n" not in text
    assert "  ok      openssl\n" in text
    assert "not checked: possession of the private key, which is not in the file\n" in text
    assert text.endswith(f"{tmp_path / 'proxy'}: accepted {grid.ALICE}, if its sender has the key\n")
    line = f"{tmp_path / 'proxy'}: accepted {grid.ALICE}, if its sender has the key\n"
    assert _check(tmp_path / "proxy", tmp_path / "proxy") == (0, line * 2)


def test_a_proxy_without_its_key_is_held_to_every_other_rule(tmp_path: Path, site: Site) -> None:
    (tmp_path / "proxy").write_bytes(_without_key(site.proxy()))
    code, text = _check(tmp_path / "proxy", "--at", "2001-01-01")
    assert code == 1
    assert "FAILED  ca-not-yet-valid: " in text
    assert "\nnot checked: what comes after the rule that failed\n" in text


def test_nothing_of_a_whole_check_is_said_to_be_left_out(proxy: Path) -> None:
    assert "not checked" not in _check(proxy)[1]


def test_what_the_file_holds_is_told_before_it_is_judged(tmp_path: Path, site: Site) -> None:
    """Also of a proxy that the first rule refuses."""
    (tmp_path / "proxy").write_bytes(site.proxy().replace(b"RSA PRIVATE", b"EC PRIVATE"))
    text = _check(tmp_path / "proxy")[1]
    first, second = text.split("certificate ")[1:]
    assert first.startswith("1 of 2, version 3, serial ")
    assert f"  subject {grid.ALICE}/CN=1234567\n  issuer  {grid.ALICE}\n  valid   20" in first
    assert second.startswith(f"2 of 2, version 3, serial {site.alice.serial:x}\n  subject {grid.ALICE}\n")
    assert f"  issuer  {grid.CA_NAME}\n" in second


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("has_key", [False, True])
def test_the_header_s_value_is_judged_as_the_file_is(
    tmp_path: Path, site: Site, *, wrapped: bool, has_key: bool
) -> None:
    proxy = site.proxy() if has_key else _without_key(site.proxy())
    encode = base64.encodebytes if wrapped else base64.b64encode
    (tmp_path / "proxy").write_bytes(proxy)
    (tmp_path / "header").write_bytes(encode(proxy))
    (code, told), as_file = _check(tmp_path / "header"), _check(tmp_path / "proxy")
    assert (code, told.replace(str(tmp_path / "header"), str(tmp_path / "proxy"))) == as_file
    assert code == 0


@pytest.mark.parametrize(
    "form",
    [
        "PROXY: {}\n", "proxy:{}", "X-Proxy-Certificate: {}\r\n", 'header = "PROXY: {}"\n', '--header "proxy: {}"\n',
        "Content-Type: application/json\nPROXY: {}\nHost: a\n", 'silent\nheader = "PROXY: {}"\nshow-error\n',
    ],
)  # fmt: skip
def test_the_header_is_judged_as_the_file_is(tmp_path: Path, proxy: Path, form: str) -> None:
    (tmp_path / "header").write_text(form.format(base64.b64encode(proxy.read_bytes()).decode()))
    (code, told), as_file = _check(tmp_path / "header"), _check(proxy)
    assert (code, told.replace(str(tmp_path / "header"), str(proxy))) == as_file
    assert code == 0


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"", "not-pem: the file is empty"),
        (b"\n", "not-pem: the file is empty"),
        (b"hello, world", "not-pem: this is neither PEM nor the Base64 of it"),
        (b"root:x:0:0:root,,,:/root:/bin/sh\n", "not-pem: this is neither PEM nor the Base64 of it"),
        (b"\xff\xfe", "not-pem: this is neither PEM nor the Base64 of it"),
        (b"hello", "not-pem: this is neither PEM nor the Base64 of it"),
        (b"Cookie: cHJveHk=\n", "not-pem: this is neither PEM nor the Base64 of it"),
        (b"PROXY: cHJveHk=\n", "not-pem: this is not PEM"),
        (b"PROXY:\n", "header-empty: the header is empty"),
        (b"PROXY: cHJveHk=\nproxy: cHJveHk=\n", "header-doubled: the header was sent more than once"),
        (b"PROXY: cHJv\neHk=\n", "header-not-base64: the header is not Base64 on one line"),
        (b"PROXY: cHJv\r\neHk=\r\n", "header-not-base64: the header is not Base64 on one line"),
        (b"PROXY: " + b"A" * 40_000, "header-too-long: the header is longer than 32768 characters"),
        (b"cHJveHk=", "not-pem: this is not PEM"),
        (b"A" * 40_000, "header-too-long: the header is longer than 32768 characters"),
        (b"\0" * 10_000_000, "header-too-long: the header is longer than 32768 characters"),
        (b"-----BEGIN A-----\n" * 1_400, "header-too-long: the header is longer than 32768 characters"),
        (b"\x30\x82\x01\x00", "der: this is DER; PEM is expected"),
    ],
)
def test_what_is_neither_form_is_refused(tmp_path: Path, site: Site, raw: bytes, rule: str) -> None:
    (tmp_path / "proxy").write_bytes(raw)
    code, text = _check(tmp_path / "proxy")
    assert (code, text.splitlines()[0]) == (1, f"  FAILED  {rule}")
    assert site.gridmap.exists()


def test_an_endless_file_is_read_to_a_bound(site: Site) -> None:
    assert _check("/dev/zero")[1].endswith("/dev/zero: refused header-too-long\n")
    assert site.gridmap.exists()


def test_names_give_a_terminal_no_orders(tmp_path: Path, site: Site) -> None:
    """A user can sign any name for a proxy."""
    leaf = grid.rfc(site.alice, cn="\x1b[2J\u202e\n", form=Form(site.now - HOUR, site.now + HOUR))
    (tmp_path / "proxy").write_bytes(grid.proxy_file(leaf, site.alice))
    code, text = _check(tmp_path / "proxy")
    assert (code, text.splitlines()[-1]) == (1, f"{tmp_path / 'proxy'}: refused name-characters")
    assert f"  subject {grid.ALICE}/CN=\\x1b[2J\\u202e\\n\n" in text
    assert all(each == "\n" or each.isprintable() for each in text)


@pytest.mark.parametrize(
    ("options", "removed", "told"),
    [
        (["--no-crl"], "", "what {ca} has revoked: lists are ignored"),
        (["--no-signing-policy"], "", "what {ca} may sign: signing policies are ignored"),
        (["--no-signing-policy"], "signing_policy", "what {ca} may sign: signing policies are ignored"),
        ([], "r0", "what {ca} has revoked: it has no list"),
    ],
)
def test_what_was_left_out_is_named(proxy: Path, site: Site, options: list[str], removed: str, told: str) -> None:
    if removed:
        (site.trust_dir / f"0123abcd.{removed}").unlink()
    code, text = _check(proxy, *options)
    assert code == 0
    assert [line for line in text.splitlines() if line.startswith("not")] == [
        f"not checked: {told.format(ca=grid.CA_NAME)}"
    ]


def test_a_policy_that_is_not_required_and_not_there_is_named(proxy: Path, site: Site, settings: Settings) -> None:
    settings.PROXY_SIGNING_POLICY = "if-present"
    (site.trust_dir / "0123abcd.signing_policy").unlink()
    assert f"not checked: what {grid.CA_NAME} may sign: it has no signing policy\n" in _check(proxy)[1]


def test_without_a_mapping_no_account_is_asked_for(proxy: Path, site: Site, settings: Settings) -> None:
    site.gridmap.unlink()
    code, text = _check(proxy)
    assert code == 0
    assert f"not checked: the account: there is no grid-mapfile {site.gridmap}\n" in text
    settings.PROXY_DN_PATTERN = "(?P<account>plg[a-z]+)"
    assert _check(proxy)[1].endswith(f"{proxy}: refused dn-unmapped\n")


def test_a_mapping_that_cannot_be_read_is_an_error(proxy: Path, site: Site) -> None:
    site.gridmap.unlink()
    site.gridmap.mkdir()
    with pytest.raises(CommandError, match="grid-mapfile: "):
        _check(proxy)


_ROOT = Path(__file__).parents[3]


def _manage(*words: str, given: bytes = b"", where: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run manage.py where nothing is set but `where`."""
    environment = {"PATH": os.environ["PATH"]} | (where or {})
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(command, env=environment, cwd=_ROOT, input=given, capture_output=True, check=False)


def test_no_secret_no_database_and_no_broker_are_needed(site: Site) -> None:
    where = {"TRUST_DIR": str(site.trust_dir), "GRIDMAP": str(site.gridmap)}
    proxy = site.proxy()
    done = _manage("checkproxy", "-", given=proxy, where=where)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(f"account: plgalice\nstandard input: accepted {grid.ALICE}\n".encode())
    assert b"PRIVATE" not in done.stdout
    header = b"PROXY: " + base64.b64encode(proxy) + b"\n"
    assert _manage("checkproxy", "-", given=header, where=where).stdout == done.stdout
    assert _manage("checkproxy", "-", given=b"nothing", where=where).returncode == 1
    assert _manage("checkproxy", "/nowhere", where=where).returncode == 2
    assert b"the private key need not be in it" in _manage("help", "checkproxy").stdout.lower()


def test_settings_of_the_trust_count_there(site: Site) -> None:
    where = {"TRUST_DIR": str(site.trust_dir), "GRIDMAP": str(site.gridmap), "PROXY_TYPES": "legacy"}
    done = _manage("checkproxy", "-", given=site.proxy(), where=where)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, b"standard input: refused proxy-type")


def test_there_is_no_secret_that_could_be_known() -> None:
    """What serves needs its own, and says so; the settings of the trust alone have none to sign anything with."""
    done = _manage("check")
    assert done.returncode != 0
    assert b"SECRET_KEY" in done.stderr
    asked = [sys.executable, "-c", "from django.conf import settings; print(settings.SECRET_KEY)"]
    environment = {"DJANGO_SETTINGS_MODULE": "submitter.trustsettings"}
    alone = subprocess.run(asked, env=environment, cwd=_ROOT, capture_output=True, check=False)
    assert alone.returncode != 0
    assert b"SECRET_KEY setting must not be empty" in alone.stderr


def test_only_commands_that_serve_nobody_run_on_a_part_of_the_settings() -> None:
    assert settings_for(["checkproxy", "x"]) == settings_for(["help", "checkproxy"]) == "submitter.trustsettings"
    for words in ([], ["help"], ["check", "checkproxy"], ["runserver"], ["migrate"]):
        assert settings_for(words) == "submitter.settings"
