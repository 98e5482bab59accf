"""Asks whether any pinned dependency has a known vulnerability, by pip-audit: `make audit`.

Exit code 0: none has, or nobody could be asked, which is said plainly. 1: one has, or pip-audit failed.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FILES = [ROOT / "requirements.txt", ROOT / "requirements-dev.txt"]
# Who keeps the data, in the order in which they are asked: one of them may be out of reach where the other is not.
SOURCES = ["pypi", "osv"]
# What pip-audit says of a source that is out of reach, in its own words or in those of requests' exceptions.
_AWAY = ("Could not connect", "ConnectionError", "ConnectTimeout", "ReadTimeout", "HTTPError")


class Away(Exception):
    """A source could not be asked."""


def main(files: Sequence[Path]) -> int:
    """Audit the requirements in `files` at the first source that answers, and return the exit code."""
    reasons = []
    for source in SOURCES:
        try:
            return _judge(_asked(source, files), source)
        except Away as reason:
            reasons.append(f"{source}: {reason}")
    print("Audit of the dependencies: NOT RUN. No source of vulnerabilities could be asked here.", *reasons, sep="\n  ")
    return 0


def _asked(source: str, files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what pip-audit says of each dependency. Raises Away, or SystemExit where pip-audit itself failed."""
    command = [str(Path(sys.executable).with_name("pip-audit")), "--vulnerability-service", source, "--format", "json"]
    words = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--timeout", "10"]
    named = [word for file in files for word in ("--requirement", str(file))]
    done = subprocess.run([*command, *words, *named], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        if any(word in done.stderr for word in _AWAY):
            raise Away(last) from None
        raise SystemExit(f"pip-audit failed: {last}") from None
    if found and all("skip_reason" in entry for entry in found):  # a mirror that has packages, and nothing else
        raise Away(found[0]["skip_reason"])
    return found


def _judge(found: Sequence[dict[str, Any]], source: str) -> int:
    """Print what was found, and return the exit code."""
    bad = [entry for entry in found if entry.get("vulns") or "skip_reason" in entry]
    for entry in bad:
        for flaw in entry.get("vulns", []):
            mended = ", ".join(flaw["fix_versions"]) or "no version yet"
            print(f"{entry['name']} {entry['version']}: {flaw['id']}, mended in {mended}")
        if "skip_reason" in entry:
            print(f"{entry['name']}: not audited: {entry['skip_reason']}")
    print(f"Audit of the dependencies: {len(found)} asked at {source}, {len(bad)} to look at.")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main([Path(word) for word in sys.argv[1:]] or FILES))
