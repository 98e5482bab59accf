"""PURE. Every script that is run on a login node, and the parser of what it prints.

The scripts are POSIX sh in the alphabet of `shell.quote`; $0 is the marker, $1 SLURM's directory, and every command's
output is followed by a marker line with its exit status. Times are asked for as epochs (SLURM_TIME_FORMAT=%s), since
SLURM's own carry no zone. Sources: the manual pages of sbatch, scontrol, squeue, scancel and sacct, SLURM 22.05.
"""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass

from clusters.errors import Failed, Malformed
from clusters.shell import Section

_END = '_js_status=$?; echo; echo "$0 $_js_status";'

# $2: the submission's token. Standard input: the working directory on a line, the script, and $0 as proof that it came
# whole. SLURM remembers the command line of sbatch, so the script is kept in a file named after the token until sbatch
# has read it; in a home that takes no file, sbatch reads it from its standard input. The answer of sbatch is passed on
# line by line, so that an id is seen even if sbatch does not end (a user's `#SBATCH --wait`).
SUBMIT = f"""
    IFS= read -r _js_dir; _js_script=$(cat);
    case "$_js_script" in *"$0") _js_script="${{_js_script%"$0"}}";; *) echo "input cut off" >&2; exit 65;; esac;
    cd; case "$_js_dir" in /*) ;; *) _js_dir="$PWD/$_js_dir";; esac;
    cd -- "$_js_dir"; {_END}
    [ "$_js_status" = 0 ] || exit 0;
    _js_file="$HOME/.job-submitter/$2.sh";
    {{
        if ( umask 077; mkdir -p "$HOME/.job-submitter" && printf "%s" "$_js_script" > "$_js_file" ) 2>/dev/null;
        then "$1/sbatch" --parsable "$_js_file";
        else printf "%s" "$_js_script" | "$1/sbatch" --parsable; fi; {_END}
    }} | {{
        while IFS= read -r _js_line; do
            printf "%s" "$_js_line"; echo;
            case "$_js_line" in "$0 "*) break;; [0-9]*) _js_id="${{_js_line%%;*}}";; esac;
        done;
        [ -z "$_js_id" ] || {{ SLURM_TIME_FORMAT=%s "$1/scontrol" show job "$_js_id" 2>&1; {_END} }}
    }};
    rm -f "$_js_file" 2>/dev/null; exit 0
"""

_QUEUE_FORMAT = "%i|%u|%T|%V|%S|%e|%M|%D|%C|%N|%r"
_HISTORY_FIELDS = "JobID,User,State,ExitCode,Submit,Start,End,ElapsedRaw,AllocNodes,AllocCPUS,NodeList"
_SQUEUE = f'SLURM_TIME_FORMAT=%s "$1/squeue" -h -t all -o "{_QUEUE_FORMAT}"'
_SACCT = f'SLURM_TIME_FORMAT=%s "$1/sacct" -a -X -P -n -o {_HISTORY_FIELDS}'

# $2: an account to ask about, or empty for everybody's jobs.
QUEUE = f'{_SQUEUE} ${{2:+-u "$2"}}; {_END}'

# $2: the beginning of the window in seconds before now. Standard input: the ids, comma-separated. Only a query by id
# finds a job that was cancelled before it became eligible.
HISTORY = f'read -r _js_ids; {_SACCT} -S "now-$2seconds" -j "$_js_ids"; {_END}'

# $2: a job's id, $3: the window as in HISTORY. Cancels, then asks what became of it: accounting only where the
# controller knows nothing.
CANCEL = f"""
    "$1/scancel" -Q "$2" 2>&1; {_END}
    _js_rows=$({_SQUEUE} -j "$2" 2>&1); {_END.replace("echo;", 'printf "%s" "$_js_rows"; echo;', 1)}
    case "$_js_rows" in *"|"*) ;; *) {_SACCT} -S "now-$3seconds" -j "$2" 2>&1; {_END} ;; esac; exit 0
"""

# Asks for the version of SLURM's tools, and whether the controller answers.
PING = f'"$1/sbatch" --version 2>&1; {_END} "$1/scontrol" ping 2>&1; {_END} exit 0'


@dataclass(frozen=True)
class Record:
    """What SLURM says of a job, or of one task (or range of pending tasks) of a job array.

    `state` is SLURM's word; times are aware UTC; `wall_seconds` is the time it ran; `nodes` and `cores` are None until
    something is allocated, and so is `started_at` for good if nothing ever was; `exit_code` and `signal` are
    accounting's, `reason` is the controller's.
    """

    job: int
    task: str | None
    user: str
    state: str
    submitted_at: dt.datetime | None
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    wall_seconds: int
    nodes: int | None
    cores: int | None
    exit_code: int | None
    signal: int | None
    reason: str | None
    from_accounting: bool


@dataclass(frozen=True)
class Submitted:
    """An accepted submission. What the controller adds to the id is missing where it was not asked or did not answer.

    The paths are SLURM's own words, absolute; in those of a job array `%a` stands for the number of the task.
    """

    job: int
    stdout_path: str = ""
    stderr_path: str = ""
    submitted_at: dt.datetime | None = None
    is_array: bool = False


@dataclass(frozen=True)
class Rejected:
    """A submission that sbatch refused, in its own words."""

    exit_code: int
    stdout: str
    stderr: str


def parse_submission(found: list[Section], stderr: bytes) -> Submitted | Rejected:
    """Read the sections of sbatch and scontrol. Raises Malformed where the outcome cannot be told from them."""
    if not found:
        raise Malformed(f"sbatch did not end: {stderr[:300]!r}")
    sbatch, *rest = found
    ids = re.findall(r"^([0-9]+)(?:;\S+)?$", sbatch.text, re.MULTILINE)
    if len(ids) == 1 and sbatch.status == 0:
        return parse_new_job(int(ids[0]), rest[0].text if rest and rest[0].status == 0 else "")
    if not ids and sbatch.status != 0:
        return Rejected(sbatch.status, sbatch.text.removesuffix("\n"), stderr.decode("utf-8", "replace"))
    raise Malformed(f"sbatch ended with {sbatch.status} and printed {sbatch.text[:300]!r}")


def parse_new_job(job: int, text: str) -> Submitted:
    """Read what `scontrol show job` prints of a job just submitted, one `Key=value` a line where it matters."""
    found = dict(re.findall(r"^   (StdOut|StdErr|SubmitTime)=(\S.*?) *$", text, re.MULTILINE))
    submitted = found.get("SubmitTime", "").split(" ")[0]
    return Submitted(
        job,
        stdout_path=_task_placeholder(found.get("StdOut", "")),
        stderr_path=_task_placeholder(found.get("StdErr", "")),
        submitted_at=_time(submitted),
        is_array=f" ArrayJobId={job} " in text,
    )


def _task_placeholder(path: str) -> str:
    """Put `%a` where scontrol shows the number of a task that has none yet, or leaves `%3a` as it found it."""
    return re.sub(r"4294967294|%[0-9]+a", "%a", path)


def parse_queue(text: str) -> list[Record]:
    """Read squeue's lines. Raises Malformed with the first line that is not understood."""
    return [_queue_record(line) for line in text.split("\n") if line]


def parse_history(text: str) -> list[Record]:
    """Read sacct's lines. Raises Malformed with the first line that is not understood."""
    return [_history_record(line) for line in text.split("\n") if line]


def _queue_record(line: str) -> Record:
    try:
        name, user, state, submit, start, end, used, nodes, cores, node_list, reason = line.split("|", 10)
        job, task = _split_name(name)
        allocated = node_list != ""
        return Record(
            job=job,
            task=task,
            user=user,
            state=word(state),
            submitted_at=_time(submit),
            started_at=_time(start) if allocated else None,
            ended_at=_time(end),
            wall_seconds=_duration(used),
            nodes=int(nodes) if allocated else None,
            cores=int(cores) if allocated else None,
            exit_code=None,
            signal=None,
            reason="" if reason == "None" else reason[:200],
            from_accounting=False,
        )
    except ValueError as exc:
        raise Malformed(f"squeue: {line[:300]!r}") from exc


def _history_record(line: str) -> Record:
    try:
        name, user, state, exit_code, submit, start, end, elapsed, nodes, cores, node_list = line.split("|")
        job, task = _split_name(name)
        code, _, signal = exit_code.partition(":")
        allocated = node_list not in {"", "None assigned"}
        return Record(
            job=job,
            task=task,
            user=user,
            state=word(state),
            submitted_at=_time(submit),
            started_at=_time(start) if allocated else None,
            ended_at=_time(end),
            wall_seconds=int(elapsed or 0),
            nodes=int(nodes) if allocated else None,
            cores=int(cores) if allocated else None,
            exit_code=int(code),
            signal=int(signal or 0),
            reason=None,
            from_accounting=True,
        )
    except ValueError as exc:
        raise Malformed(f"sacct: {line[:300]!r}") from exc


def _split_name(name: str) -> tuple[int, str | None]:
    """Split `1080_5`, `1080_[5-9%2]` (job arrays) and `93+1` (heterogeneous jobs) into the job's id and the rest."""
    match = re.fullmatch(r"([0-9]+)(?:[_+](\S+))?", name)
    if not match:
        raise ValueError(name)
    return int(match[1]), match[2]


def word(state: str) -> str:
    """Return SLURM's state as one word: `CANCELLED by 1001` is CANCELLED, a trailing `+` is dropped.

    Raises ValueError where there is none.
    """
    words = state.split()
    if not words:
        raise ValueError("no state")
    return words[0].removesuffix("+")


def _time(epoch: str) -> dt.datetime | None:
    if epoch in {"N/A", "Unknown", "None", "NONE", "0", ""}:
        return None
    return dt.datetime.fromtimestamp(int(epoch), dt.UTC)


def _duration(text: str) -> int:
    """Return the seconds of SLURM's `[D-]HH:MM:SS`, of which squeue leaves out leading zero parts."""
    days, _, clock = text.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + part
    return seconds + 86_400 * int(days or 0)


def checked(found: Iterable[Section], what: str, stderr: bytes = b"") -> str:
    """Return the output of the first section. Raises Failed with the command's words if it failed or never ended."""
    section = next(iter(found), None)
    if section is None:
        raise Failed(f"{what} did not end: {stderr[:300].decode('utf-8', 'replace').strip()}")
    if section.status != 0:
        words = section.text.strip() or stderr.decode("utf-8", "replace").strip()
        raise Failed(f"{what} ended with {section.status}: {words[:500]}")
    return section.text
