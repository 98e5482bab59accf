"""The door to the clusters: each verb is one script of `slurm` on one channel of `pool`."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import paramiko

from clusters import files, pool, slurm, ssh
from clusters.errors import Failed, Malformed, TimedOut
from clusters.files import OutputFile
from clusters.models import Cluster
from clusters.slurm import Record, Rejected, Submitted

_POLL_LIMIT = 64 * 1024 * 1024  # bytes; squeue prints about 120 a job
_UNKNOWN_JOB = "Invalid job id specified"


@dataclass(frozen=True)
class NoDirectory:
    """A working directory that cannot be entered, in the shell's words; nothing was submitted."""

    message: str


def submit(
    cluster: Cluster, account: str, token: str, directory: str, script: str
) -> Submitted | Rejected | NoDirectory:
    """Run sbatch as `account` in `directory` (absolute, or relative to the home; empty for the home itself).

    `token` names this submission in what SLURM remembers of it. Raises Unreachable or Refused (nothing was submitted),
    TimedOut, Interrupted or Malformed (a job may exist).
    """
    try:
        answer = _run(cluster, account, slurm.SUBMIT, [token], stdin=f"{directory}\n{script}".encode())
    except TimedOut as exc:
        return _accepted_before(exc)
    if not (found := answer.sections()):
        raise Malformed(f"the script that submits ended with {answer.exit_status}: {answer.stderr[:300]!r}")
    if found[0].status != 0:
        return NoDirectory(answer.stderr.decode("utf-8", "replace").strip())
    return slurm.parse_submission(found[1:], answer.stderr)


def _accepted_before(exc: TimedOut) -> Submitted:
    """Return the submission whose id was already printed when `exc` came; raise `exc` where none was."""
    ids = re.findall(rb"^([0-9]+)(?:;\S+)?\n", exc.stdout, re.MULTILINE)
    if len(ids) != 1:
        raise exc
    return Submitted(int(ids[0]))


def cancel(cluster: Cluster, account: str, job: int, since: int) -> list[Record]:
    """Cancel `job` as `account`, and return what SLURM then says of it; nothing if it no longer knows the job.

    `since`: seconds ago at which the job was certainly not yet submitted. Raises Unreachable, Refused, TimedOut,
    Malformed, and Failed where SLURM neither cancelled the job nor knows it as ended.
    """
    found = _run(cluster, account, slurm.CANCEL, [str(job), str(since)]).sections()
    if len(found) < 2:  # noqa: PLR2004 - scancel and squeue
        raise Malformed("the script that cancels did not end")
    scancel, squeue, *sacct = found
    if squeue.status != 0 and _UNKNOWN_JOB not in squeue.text:
        raise Failed(f"squeue ended with {squeue.status}: {squeue.text.strip()[:500]}")
    records = slurm.parse_queue(squeue.text) if squeue.status == 0 else []
    if not records and sacct:
        records = slurm.parse_history(slurm.checked(sacct, "sacct"))
    if scancel.status != 0 and any(record.ended_at is None for record in records):
        raise Failed(f"scancel ended with {scancel.status}: {scancel.text.strip()[:500]}")
    return records


def queue(cluster: Cluster, account: str, *, everybody: bool) -> list[Record]:
    """Return what the controller holds, active and just ended: of everybody's jobs, or of `account`'s own.

    Raises Unreachable, Refused, TimedOut, Failed, Malformed; an answer that was cut is Malformed, never a shorter one.
    """
    answer = _run(cluster, account, slurm.QUEUE, ["" if everybody else account], limit=_POLL_LIMIT)
    return slurm.parse_queue(_whole(answer, "squeue"))


def history(cluster: Cluster, account: str, jobs: Sequence[int], since: int) -> list[Record]:
    """Return what accounting holds of `jobs`, submitted at most `since` seconds ago. Raises as `queue` does."""
    ids = ",".join(str(job) for job in jobs)
    answer = _run(cluster, account, slurm.HISTORY, [str(since)], stdin=f"{ids}\n".encode(), limit=_POLL_LIMIT)
    return slurm.parse_history(_whole(answer, "sacct"))


def ping(cluster: Cluster, account: str) -> tuple[str, str]:
    """Return SLURM's version and what its controller answers. Raises Unreachable, Refused, TimedOut, Failed."""
    found = _run(cluster, account, slurm.PING, []).sections()
    return slurm.checked(found, "sbatch").strip(), slurm.checked(found[1:], "scontrol ping").strip()


def greet(cluster: Cluster) -> None:
    """Connect and compare the host key, without logging in. Raises Unreachable."""
    ssh.greet(cluster.endpoint)


@contextmanager
def open_file(cluster: Cluster, account: str, path: str) -> Iterator[OutputFile]:
    """Open the output file `path` as `account`, to be read up to its present size.

    Raises FileNotFoundError where `account` can read no such file; Unreachable, Refused, TimedOut, Failed.
    """
    with (
        _channel(cluster, account) as channel,
        files.client(channel, cluster.command_timeout) as sftp,
        files.opened(sftp, path) as file,
    ):
        yield file


def _run(
    cluster: Cluster,
    account: str,
    script: str,
    arguments: Sequence[str],
    *,
    stdin: bytes = b"",
    limit: int = 64 * 1024,
) -> ssh.Answer:
    with _channel(cluster, account) as channel:
        return ssh.run_script(
            channel,
            script,
            [cluster.slurm_bin, *arguments],
            environment=cluster.environment,
            stdin=stdin,
            timeout=cluster.command_timeout,
            limit=limit,
        )


@contextmanager
def _channel(cluster: Cluster, account: str) -> Iterator[paramiko.Channel]:
    with pool.current().channel(cluster.endpoint, account, timeout=cluster.command_timeout) as channel:
        yield channel


def _whole(answer: ssh.Answer, what: str) -> str:
    if answer.truncated:
        raise Malformed(f"{what} printed more than {_POLL_LIMIT} bytes")
    return slurm.checked(answer.sections(), what, answer.stderr)
