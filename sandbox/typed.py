"""Does at the terminal what a person would do: shows a shell line, runs it, shows what came back."""

import json
import subprocess
from dataclasses import dataclass, field
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
    """A shell whose assignments stay for the lines after them."""

    _assignments: list[str] = field(default_factory=list)

    def assign(self, line: str) -> None:
        """Show a line that sets a variable, and keep it."""
        self._assignments.append(line)
        say(f"\n$ {line}")

    def curl(self, words: str, *, expect: int, quiet: bool = False) -> Answer:
        """Show and run `curl -k WORDS`, show the answer, and return it. Raises UnexpectedAnswer if the code is another.

        What runs has a time limit and asks curl for the status code, too, which the line for the eye leaves out.
        `quiet` shows neither: for a line that was shown before and is repeated.
        """
        line = f"curl -k -sS {words}"
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
        script = "\n".join([*self._assignments, line])
        command = ["/bin/bash", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 - README's lines
        if done.returncode:
            raise UnexpectedAnswer(f"curl failed: {done.stderr.strip()}")
        body, _, code = done.stdout.rstrip("\n").rpartition("\nHTTP ")
        return Answer(int(code), body)


def _readable(body: str) -> str:
    """Indent JSON for the eye; leave anything else as it came."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body.rstrip("\n")
