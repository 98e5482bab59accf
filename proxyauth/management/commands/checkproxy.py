"""`manage.py checkproxy FILE...`: says why a proxy is accepted, or which rule refuses it."""

import base64
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import re2
from django.core.management.base import BaseCommand, CommandError

from proxyauth import conf, credential
from proxyauth.authenticator import follow_gridmap, may_be_used, now
from proxyauth.conf import Conf
from proxyauth.errors import Malformed, Refused
from proxyauth.policy import Need
from proxyauth.trust import gridmap, store
from proxyauth.trust.gridmap import Gridmap
from proxyauth.validation import chain
from proxyauth.validation.chain import Trace, Verified
from proxyauth.x509 import dn
from proxyauth.x509.certificate import Certificate

_HELP = """
Say why a proxy gets in, or which rule keeps it out. FILE is a proxy as grid-proxy-init writes it, the Base64 of one, or
the header that has it, as curl reads one from a file (--header @FILE or --config FILE); - is standard input.
The private key need not be in it: whoever helps a user should not ask for it.

Needed are the trust directory and the PROXY_... settings; no service, no database and no secret. The exit code is 0
if all were accepted, 1 if one was refused, and 2 if one could not be read.
"""
ACCEPTED, REFUSED, UNREADABLE = 0, 1, 2
_STANDARD_INPUT = "-"
_MOST = 2 * credential.MAX_HEADER  # bytes that are read of a file; more than a header and its line breaks
_NAME = rb"(?:proxy|x-proxy-certificate)[ \t]*:"
# A header as a line of its own, on which lines of Base64 may follow, or as an option in curl's configuration.
_LINE = rb"([^\n]*(?:\n[A-Za-z0-9+/=\r]+$)*)"
_OPTION = rb'(?:--)?header(?:[ \t]*[=:])?[ \t]*"' + _NAME + rb'([^"]*)"'
_HEADER = re2.compile(rb"(?im)^[ \t]*(?:" + _NAME + _LINE + rb"|" + _OPTION + rb")")


@dataclass(frozen=True)
class _Criteria:
    """What files are judged by. `accounts` is None where no account is looked up, and `no_accounts` says why."""

    conf: Conf
    trust: store.Trust
    accounts: Gridmap | None
    no_accounts: str
    moment: datetime


@dataclass(frozen=True)
class _Sent:
    """What a file holds: its PEM, the certificates in it, and whether a private key is among them."""

    pem: bytes
    certificates: tuple[Certificate, ...]
    has_key: bool


class Command(BaseCommand):
    """Judges proxy files as the service would: one file with a line for each rule, several files with a line each."""

    help = _HELP
    examples = (
        "checkproxy /tmp/x509up_u1000",
        "checkproxy --trust-dir /etc/grid-security/certificates --at 2026-11-27T12:00 proxy.pem",
        "checkproxy - < header.txt",
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path, help="a proxy, with or without its key")
        parser.add_argument("--trust-dir", type=Path, help="CAs to trust; then no account is asked for")
        parser.add_argument("--gridmap", type=Path, help="grid-mapfile to use instead of the service's")
        parser.add_argument("--at", type=_moment, default=None, help="judge as of this time (ISO 8601, else UTC)")
        parser.add_argument("--no-crl", action="store_true", help="ask no revocation list")
        parser.add_argument("--no-signing-policy", action="store_true", help="ask no signing policy")

    def handle(self, *_: object, files: list[Path], **options: Any) -> None:
        """Judge the files. Exits with 0 if all were accepted, 1 if one was refused, 2 if one could not be read."""
        criteria = _criteria(options)
        if len(files) == 1:
            code = self._explain(files[0], criteria)
        else:
            code = max(self._judge_briefly(path, criteria) for path in files)
        if code:
            sys.exit(code)

    def _judge_briefly(self, path: Path, criteria: _Criteria) -> int:
        try:
            sent = _read(path)
            verified = _judge(sent, criteria, chain.ignore)
            _account(verified, criteria)
        except OSError as exc:
            self._say(f"{_name(path)}: unreadable {exc.strerror}")
            return UNREADABLE
        except Refused as exc:
            self._say(f"{_name(path)}: refused {exc.rule}")
            return REFUSED
        self._say(_acceptance(path, sent, verified))
        return ACCEPTED

    def _explain(self, path: Path, criteria: _Criteria) -> int:
        try:
            sent = _read(path)
            self._introduce(sent.certificates)
            verified = _judge(sent, criteria, self._trace())
            self._describe(verified)
            self._say(f"{'account:':9}{_account(verified, criteria) or criteria.no_accounts}")
        except OSError as exc:
            self.stderr.write(f"{_name(path)}: unreadable: {exc.strerror}")
            return UNREADABLE
        except Refused as exc:
            self._say(f"  FAILED  {exc.rule}: {exc.message}")
            self._say("not checked: what comes after the rule that failed")
            self._say(f"{_name(path)}: refused {exc.rule}")
            return REFUSED
        for what in _unchecked(sent, criteria):
            self._say(f"not checked: {what}")
        self._say(_acceptance(path, sent, verified))
        return ACCEPTED

    def _say(self, line: str) -> None:
        """Write a line. Names come from the sender: what would control a terminal is written as an escape sequence."""
        escaped = (each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)
        self.stdout.write("".join(escaped))

    def _introduce(self, certificates: Sequence[Certificate]) -> None:
        """Write what the file holds, the proxy first, before any of it is judged."""
        for number, each in enumerate(certificates, 1):
            self._say(f"certificate {number} of {len(certificates)}, version {each.version}, serial {each.serial:x}")
            self._say(f"  subject {dn.text(each.subject)}")
            self._say(f"  issuer  {dn.text(each.issuer)}")
            self._say(f"  valid   {_validity(each.not_before, each.not_after)}")

    def _trace(self) -> Trace:
        """Return a trace that writes each rule that was kept, below the name of what kept it."""
        last = ""

        def trace(about: str, rule: str) -> None:
            nonlocal last
            if about != last:
                self._say(about)
                last = about
            self._say(f"  ok      {rule}")

        return trace

    def _describe(self, verified: Verified) -> None:
        limited = ", limited" if verified.is_limited else ""
        for label, value in (
            ("type", f"{verified.kind}{limited}"),
            ("DN", verified.dn),
            ("serial", f"{verified.serial:x}"),
            ("valid", _validity(verified.not_before, verified.not_after)),
        ):
            self._say(f"{label + ':':9}{value}")


def _name(path: Path) -> str:
    return "standard input" if str(path) == _STANDARD_INPUT else str(path)


def _validity(begin: datetime, end: datetime) -> str:
    return f"{begin:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S} UTC"


def _acceptance(path: Path, sent: _Sent, verified: Verified) -> str:
    without = "" if sent.has_key else ", if its sender has the key"
    return f"{_name(path)}: accepted {verified.dn}{without}"


def _read(path: Path) -> _Sent:
    """Return what the file holds. Raises OSError, and Malformed, also where it holds more than a header can."""
    if str(path) == _STANDARD_INPUT:
        raw = sys.stdin.buffer.read(_MOST)
    else:
        with path.open("rb") as file:
            raw = file.read(_MOST)
    pem = _pem(raw)
    return _Sent(pem, *credential.look(pem))


def _pem(raw: bytes) -> bytes:
    """Return the proxy file in `raw`: itself, or what a header, or a header's value, has in Base64. Raises Malformed.

    A terminal may have broken the lines of a value that stands alone; a header is judged as the service would.
    """
    if raw[:1] == b"\x30" or b"-----BEGIN " in raw:
        credential.expect_short(base64.b64encode(raw).decode("ascii"))
        return raw
    if headers := [line or option for line, option in _HEADER.findall(raw)]:
        return credential.decode_header(",".join(each.decode("latin-1").strip() for each in headers))
    value = "".join(raw.decode("latin-1").split())
    credential.expect_short(value)
    try:
        return credential.decode_header(value)
    except Malformed as exc:
        what = "the file is empty" if not value else "this is neither PEM nor the Base64 of it"
        raise Malformed("not-pem", what) from exc


def _judge(sent: _Sent, criteria: _Criteria, trace: Trace) -> Verified:
    trace("the file", "format")
    if sent.has_key:
        credential.read(sent.pem, criteria.conf.policy)
        trace("the file", "possession")
    return chain.judge(sent.certificates, criteria.trust.anchors, criteria.moment, criteria.conf.policy, trace)


def _unchecked(sent: _Sent, criteria: _Criteria) -> Iterator[str]:
    """Yield what was not checked of a proxy that was accepted."""
    policy = criteria.conf.policy
    if not sent.has_key:
        yield "possession of the private key, which is not in the file"
    for authority in chain.assemble(sent.certificates, criteria.trust.anchors, policy).authorities:
        name = dn.text(authority.certificate.subject)
        if policy.crl is Need.IGNORE or authority.crl is None:
            yield f"what {name} has revoked: {'lists are ignored' if policy.crl is Need.IGNORE else 'it has no list'}"
        if policy.signing_policy is Need.IGNORE or authority.policy is None:
            ignored = policy.signing_policy is Need.IGNORE
            yield f"what {name} may sign: {'signing policies are ignored' if ignored else 'it has no signing policy'}"
    if criteria.accounts is None:
        yield f"the account: {criteria.no_accounts}"


def _account(verified: Verified, criteria: _Criteria) -> str:
    """Return the account, or "" where none is looked up. Raises NoAccount."""
    if criteria.accounts is None:
        return ""
    return gridmap.account_of(verified.owner, criteria.accounts, criteria.conf.dn_pattern, may_be_used)


def _criteria(options: dict[str, Any]) -> _Criteria:
    """Return the settings, changed by the options. Raises CommandError where files cannot be judged by them."""
    try:
        configuration = conf.read()
    except ValueError as exc:
        raise CommandError(str(exc), returncode=UNREADABLE) from exc
    policy = configuration.policy
    if options["no_crl"]:
        policy = replace(policy, crl=Need.IGNORE)
    if options["no_signing_policy"]:
        policy = replace(policy, signing_policy=Need.IGNORE)
    configuration = replace(configuration, policy=policy)
    directory = options["trust_dir"] or configuration.trust_dir
    trusted = store.follow(directory).state()
    if trusted.fault:
        raise CommandError(f"trust directory: {trusted.fault}", returncode=UNREADABLE)
    accounts, no_accounts = _accounts(options, configuration)
    return _Criteria(configuration, trusted.value, accounts, no_accounts, options["at"] or now())


def _accounts(options: dict[str, Any], configuration: Conf) -> tuple[Gridmap | None, str]:
    """Return the grid-mapfile, or None and why no account is looked up: not every machine has a grid-mapfile.

    Raises CommandError where it cannot be read.
    """
    if options["trust_dir"] and not options["gridmap"]:
        return None, "not asked for"
    path = options["gridmap"] or configuration.gridmap
    if not options["gridmap"] and _is_missing(path):
        return (Gridmap(), "") if configuration.dn_pattern else (None, f"there is no grid-mapfile {path}")
    accounts = follow_gridmap(path).state()
    if accounts.fault:
        raise CommandError(f"grid-mapfile: {accounts.fault}", returncode=UNREADABLE)
    return accounts.value, ""


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False  # it is there, and its reader will say what is wrong with it
    return False


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time of the form 2026-11-27T12:00 or 2026-11-27T12:00+01:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
