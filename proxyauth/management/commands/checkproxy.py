"""`manage.py checkproxy FILE...`: why a proxy gets in, or which rule keeps it out."""

import sys
from argparse import ArgumentParser
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from proxyauth import chain, conf, credential, gridmap, trust
from proxyauth.chain import Passed, Verified
from proxyauth.conf import Conf
from proxyauth.errors import Refused
from proxyauth.gate import follow_gridmap, may_be_used, now
from proxyauth.gridmap import Gridmap
from proxyauth.policy import Need

ACCEPTED, REFUSED, UNREADABLE = 0, 1, 2


@dataclass(frozen=True)
class _Bench:
    """What files are judged against; `accounts` is None where nobody asked for a mapping."""

    conf: Conf
    trust: trust.Trust
    accounts: Gridmap | None
    moment: datetime


class Command(BaseCommand):
    """Judge proxy files as the service would: one file with every rule that was asked, several with a line each."""

    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path, help="a proxy, as grid-proxy-init writes it")
        parser.add_argument("--trust-dir", type=Path, help="CAs to trust; then no account is asked for")
        parser.add_argument("--gridmap", type=Path, help="grid-mapfile to use instead of the service's")
        parser.add_argument("--at", type=_moment, default=None, help="judge as of this time (ISO 8601, else UTC)")
        parser.add_argument("--no-crl", action="store_true", help="ask no revocation list")
        parser.add_argument("--no-signing-policy", action="store_true", help="ask no signing policy")

    def handle(self, *_: object, files: list[Path], **options: Any) -> None:
        """Judge; exits 0 if all were accepted, 1 if one was refused, 2 if one could not be read."""
        bench = _bench(options)
        if len(files) == 1:
            code = self._explain(files[0], bench)
        else:
            code = max(self._judge_briefly(path, bench) for path in files)
        if code:
            sys.exit(code)

    def _judge_briefly(self, path: Path, bench: _Bench) -> int:
        try:
            verified = _judge(path, bench, chain.deaf)
            _account(verified, bench)
        except OSError as exc:
            self.stdout.write(f"{path}: unreadable {exc.strerror}")
            return UNREADABLE
        except Refused as exc:
            self.stdout.write(f"{path}: refused {exc.rule}")
            return REFUSED
        self.stdout.write(f"{path}: accepted {verified.dn}")
        return ACCEPTED

    def _explain(self, path: Path, bench: _Bench) -> int:
        try:
            verified = _judge(path, bench, self._tell())
            self._describe(verified)
            self.stdout.write(f"{'account:':9}{_account(verified, bench) or 'not asked for'}")
        except OSError as exc:
            self.stderr.write(f"{path}: unreadable: {exc.strerror}")
            return UNREADABLE
        except Refused as exc:
            self.stdout.write(f"  FAILED  {exc.rule}: {exc.message}")
            self.stdout.write(f"{path}: refused {exc.rule}")
            return REFUSED
        self.stdout.write(f"{path}: accepted {verified.dn}")
        return ACCEPTED

    def _tell(self) -> Passed:
        """Write each rule that was kept, under the name of what kept it."""
        last = ""

        def tell(about: str, rule: str) -> None:
            nonlocal last
            if about != last:
                self.stdout.write(about)
                last = about
            self.stdout.write(f"  ok      {rule}")

        return tell

    def _describe(self, verified: Verified) -> None:
        limited = ", limited" if verified.is_limited else ""
        for word, value in (
            ("type", f"{verified.kind}{limited}"),
            ("DN", verified.dn),
            ("serial", f"{verified.serial:x}"),
            ("valid", f"{verified.not_before:%Y-%m-%d %H:%M:%S} to {verified.not_after:%Y-%m-%d %H:%M:%S} UTC"),
        ):
            self.stdout.write(f"{word + ':':9}{value}")


def _judge(path: Path, bench: _Bench, passed: Passed) -> Verified:
    certificates = credential.read(path.read_bytes(), bench.conf.policy)
    passed("the file", "format")
    passed("the file", "possession")
    return chain.judge(certificates, bench.trust.anchors, bench.moment, bench.conf.policy, passed)


def _account(verified: Verified, bench: _Bench) -> str:
    """The account, "" if nobody asked; raises NoAccount."""
    if bench.accounts is None:
        return ""
    return gridmap.account_of(verified.owner, bench.accounts, bench.conf.dn_pattern, may_be_used)


def _bench(options: dict[str, Any]) -> _Bench:
    """Bring settings and options together; raises CommandError for what cannot be judged against."""
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
    trusted = trust.follow(options["trust_dir"] or configuration.trust_dir).state()
    if trusted.fault:
        raise CommandError(f"trust directory: {trusted.fault}", returncode=UNREADABLE)
    return _Bench(configuration, trusted.value, _accounts(options, configuration), options["at"] or now())


def _accounts(options: dict[str, Any], configuration: Conf) -> Gridmap | None:
    if options["trust_dir"] and not options["gridmap"]:
        return None
    accounts = follow_gridmap(options["gridmap"] or configuration.gridmap).state()
    if accounts.fault:
        raise CommandError(f"grid-mapfile: {accounts.fault}", returncode=UNREADABLE)
    return accounts.value


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
