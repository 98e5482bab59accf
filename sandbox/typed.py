"""Does at the terminal what a person would do: shows a shell line, runs it, shows what came back."""

import json
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.narration import say

STATUS = "\\nHTTP %{http_code}\\n"


class UnexpectedAnswer(Exception):
    """The service answered something else than it documents."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: its status code, and its body as text."""

    code: int
    body: str

    def document(self) -> Any:
        """Return the body as JSON. Raises UnexpectedAnswer."""
        try:
            return json.loads(self.body)
        except ValueError as exc:
            raise UnexpectedAnswer(f"not JSON: {self.body[:200]!r}") from exc


@dataclass
class Terminal:
    """A shell whose assignments stay for the lines after them; curl trusts the certificates in `ca_file`."""

    ca_file: Path
    _assignments: list[str] = field(default_factory=list)

    def assign(self, name: str, value: str) -> None:
        """Show and run a line that sets the variable `name`, and keep what it was set to. Raises UnexpectedAnswer."""
        now = self.do(f"{name}={value}", f'printf %s "${name}"')
        self._assignments.append(f"{name}={shlex.quote(now)}")

    def do(self, line: str, then: str = "") -> str:
        """Show and run a line, and a second one that is not shown; return the output. Raises UnexpectedAnswer."""
        say(f"\n$ {line}")
        return self._shell(f"{line}\n{then}")

    def curl(self, words: str, *, expect: int, quiet: bool = False) -> Answer:
        """Show and run curl, show the answer, and return it. Raises UnexpectedAnswer if the code is another.

        What runs has a time limit and asks curl for the status code, too, which the line for the eye leaves out.
        `quiet` shows neither: for a line that was shown before and is repeated.
        """
        line = f"curl --cacert {shlex.quote(str(self.ca_file))} -sS {words}"
        if not quiet:
            say(f"\n$ {line}")
        answer = self._run(f"{line} --max-time 90 -w '{STATUS}'")
        if not quiet:
            say(f"HTTP {answer.code}")
            if answer.body:
                say(_readable(answer.body))
        if answer.code != expect:
            raise UnexpectedAnswer(f"expected HTTP {expect}, got {answer.code}: {answer.body[:500]}")
        return answer

    def _run(self, line: str) -> Answer:
        body, _, code = self._shell(line).rstrip("\n").rpartition("\nHTTP ")
        return Answer(int(code), body)

    def _shell(self, line: str) -> str:
        script = "\n".join([*self._assignments, line])
        command = ["/bin/bash", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 - the users' guide's lines
        if done.returncode:
            raise UnexpectedAnswer(f"the line failed: {done.stderr.strip()}")
        return done.stdout


def _readable(body: str) -> str:
    """Indent JSON for the eye; leave anything else as it came."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body.rstrip("\n")
