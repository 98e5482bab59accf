"""Whatever a login prints and however files are called: reading it takes steps in proportion to its length, no more."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clusters.slurm import description, listings, lookup, sbatch, shell, starts
from clusters.slurm.filenames import Pattern, Template
from clusters.ssh.agent import _IncomingAnswer
from clusters.submitting import submission
from clusters.submitting.submission import answer_while_running
from tests.unit.clusters.logins import new_slot
from tests.unit.clusters.steps import Bytes, Heard, Text, steps_of

TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - it names a submission and opens nothing
MARKER = f"--{TOKEN}--"
REPETITIONS = 1_000
STEPS_A_CHARACTER = 60

# What the readers look for, and what lies beside it.
PIECES = [
    "1", "0", "9" * 11, " ", "\t", "|", "\n", "_", "+", "[", "]", ",", "-", "%", "%a", "%3a", "=", "/", ":", ";", ".",
    "a", "A", "\0", "٣", "\ud7ff", "...", "JobId=12 ", "\nJobId=12 ", "ArrayJobId=12 ", "   StdOut=", "   StdErr=/",
    "   SubmitTime=", "timed ", "send", MARKER, f"\n{MARKER} ", f"\n{MARKER} 0\n", f"/{TOKEN}/", "12|", "12|a|PENDING|",
    "fenced", "claimed\n", "\nCLUSTER: ", "\nzeus|", "4294967294",
]  # fmt: skip


def found(*texts: str) -> list[shell.Section]:
    return [Heard(text.encode(), 0) for text in texts]


READERS: dict[str, Callable[[str], object]] = {
    "squeue": lambda text: listings.parse_queue(Text(text)),
    "sacct": lambda text: listings.parse_history(Text(text)),
    "exit codes": lambda text: listings.parse_exit_codes(found(text)),
    "a failed command": lambda text: listings.checked([Heard(text.encode(), 1)], "squeue", Bytes(text.encode())),
    "sbatch": lambda text: sbatch.parse_submission(TOKEN, found(text)),
    "sbatch's errors": lambda text: sbatch.parse_submission(TOKEN, [Heard(text.encode(), 1), *found(text, text)]),
    "sbatch's silence": lambda text: sbatch.parse_submission(TOKEN, found("", text, text, text)),
    "other clusters": lambda text: lookup.parse_lookup_elsewhere([TOKEN], found(text, text)),
    "a cluster's name": lambda text: sbatch.parse_name(found(text)),
    "scontrol": lambda text: description.parse_new_job(12, found(text)),
    "scontrol's fields": lambda text: description.parse_new_job(12, found(f"JobId=12 JobName=x\n{text}")),
    "a trace": lambda text: lookup.parse_lookup([TOKEN], found(text, text, "", ""), sbatch_is_over=True),
    "what SLURM remembers": lambda text: lookup.parse_lookup([TOKEN], found("", "", text, text), sbatch_is_over=True),
    "whether there is an id": lambda text: sbatch.may_name_a_job(Text(text)),
    "an unfinished submission": lambda text: answer_while_running(new_slot(), Bytes(text.encode())),
    "the end of an answer": lambda text: _look_for_end(Bytes(text.encode())),
    "sections": lambda text: shell.sections(Bytes(text.encode()), MARKER),
    "an unfinished answer": lambda text: shell.without_markers(Bytes(text.encode()), MARKER),
    "a job's tasks": lambda text: starts.parse_starts(12, found(text, text, text), 1),
    "a list of nodes": lambda text: starts._first(Text(text)),
    "a pattern of names": lambda text: Pattern.of(Text(text)).variants(),
    "a name": lambda text: Template((b"1", b"", b"x"), (0, 3)).task(Bytes(b"1" + text.encode())),
    "a name of many numbers": lambda text: _template(text).task(Bytes(text.replace("%a", "1").encode())),
}


def _template(text: str) -> Template:
    return Template.of(Pattern.of(f"{text.replace('%', '%a')}x%a")) or pytest.fail("there is a placeholder")


def _look_for_end(recent: bytes) -> None:
    _IncomingAnswer(MARKER, 0)._look_for_end(recent)


@pytest.fixture(autouse=True, scope="module")
def nobody_is_asked() -> Iterator[None]:
    """A job that an unfinished submission has told would be asked about: of an agent, which is no reading."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(submission, "ask_description", lambda *_args, **_options: found(f"JobId=12 {TOKEN}\n"))
        yield


@pytest.fixture(autouse=True, scope="module")
def uncounted_words() -> object:
    """`intern` takes no text that counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listings, "intern", str)
        yield


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@given(*3 * [st.lists(st.sampled_from(PIECES), max_size=3).map("".join)])
@example("", "1", "y")
@example("   StdOut=/", " ", "x")
@example("", "%a", "x")
@example("12|", f"/{TOKEN}", "")
@example("12\n", "x", "\n")
def test_reading_takes_steps_in_proportion_to_the_length_of_the_text(
    read: Callable[[str], object], begin: str, again: str, end: str
) -> None:
    text = begin + REPETITIONS * again + end
    steps = steps_of(lambda: read(text))
    assert steps.patterns == []
    assert steps.taken <= STEPS_A_CHARACTER * len(text) + 2_000
