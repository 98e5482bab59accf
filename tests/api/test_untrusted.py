"""What a login prints, however odd, reaches PostgreSQL and callers as bounded values or not at all."""

import pytest

from clusters.errors import Interrupted, TooMuch
from clusters.models import Cluster, Poll
from jobs.models import Job
from jobs.sync import polling
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway
from tests.api.remote import Remote
from tests.api.test_polling import registered

NOW = "4102444800"  # the year 2100: later than the jobs here
MOST = "2147483647"


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Remote:
    """A login in whose name anything is answered."""
    return Remote.instead_of_ssh(monkeypatch)


@pytest.mark.parametrize(
    "line",
    [
        f"100|plgalice|RUNNING|{'9' * 20}|{NOW}|N/A|0:01|1|1|n1|None",
        f"100|plgalice|{'A' * 40}|{NOW}|{NOW}|N/A|0:01|1|1|n1|None",
        f"100|plgalice|RUN\0NING|{NOW}|{NOW}|N/A|0:01|1|1|n1|None",
        f"100_[9-1]|plgalice|RUNNING|{NOW}|{NOW}|N/A|0:01|1|1|n1|None",
        f"{'9' * 5_000}|plgalice|RUNNING|{NOW}|{NOW}|N/A|0:01|1|1|n1|None",
        "\0|plgalice",
    ],
)
def test_a_value_beyond_its_bounds_is_noted_with_the_poll_and_the_next_line_counts(
    zeus: Cluster, remote: Remote, line: str
) -> None:
    registered(zeus)
    other = registered(zeus, 101, "plgbob")
    remote.queue = [f"{line}\n", f"101|plgbob|RUNNING|{NOW}|{NOW}|N/A|0:01|1|1|n1|None\n"]
    assert polling.poll(zeus) == 1
    other.refresh_from_db()
    assert other.status == "RUNNING"
    assert "1 lines not understood" in Poll.objects.get().error


@pytest.mark.parametrize(
    ("column", "value"),
    [(3, "99999999999"), (4, "9" * 5_000), (0, "9" * 20), (1, f"{NOW}\0"), (2, "9-" * 2_000 + "0:01")],
)
def test_a_column_beyond_its_bounds_is_noted_with_the_poll_and_the_others_count(
    zeus: Cluster, remote: Remote, column: int, value: str
) -> None:
    job = registered(zeus)
    columns = [NOW, "N/A", "0:01", "3", "36"]
    columns[column] = value
    remote.queue = [f"100|plgalice|RUNNING|{NOW}|{'|'.join(map(str, columns))}|n1|None\n"]
    assert polling.poll(zeus) == 1
    job.refresh_from_db()
    known = {field for field in ("started_at", "nodes", "cores") if getattr(job, field) is not None}
    lost = {0: {"started_at"}, 3: {"nodes"}, 4: {"cores"}}.get(column, set())
    assert (job.status, known) == ("RUNNING", {"started_at", "nodes", "cores"} - lost)
    error = Poll.objects.get().error
    assert error.startswith("1 columns not understood, the first: squeue: ")
    assert len(error) < 200


@pytest.mark.parametrize(
    ("queue", "history"),
    [
        (f"100|plgalice|{'A' * 32}|8589934592|{NOW}|{NOW}|0:01|{MOST}|{MOST}|n1|a\0b\x1b[2J{'x' * 500}", ""),
        (f"100|plgalice|RUNNING|{NOW}|8589934592|{NOW}|0:01|{MOST}|{MOST}|n1|", ""),
        (f"100_1|plgalice|RUNNING|{NOW}|{NOW}|{NOW}|0:01|{MOST}|{MOST}|n1|\n" * 3, ""),
        (f"100_[0-{int(MOST) - 1}]|plgalice|PENDING|{NOW}|{NOW}|{NOW}|0:01|{MOST}|{MOST}||\n" * 3, ""),
        ("", f"100|plgalice|FAILED|{MOST}:{MOST}|{NOW}|{NOW}|{NOW}|8589934592|{MOST}|{MOST}|n1"),
        ("", f"100_1|plgalice|COMPLETED|0:0|{NOW}|8589934592|{NOW}|1|{MOST}|{MOST}|n1"),
    ],
)
def test_the_registry_holds_whatever_lies_within_the_bounds(
    zeus: Cluster, remote: Remote, queue: str, history: str
) -> None:
    registered(zeus)
    remote.queue, remote.history = [queue], [history]
    assert polling.poll(zeus) == 1
    assert Poll.objects.get().error == ""
    job = Job.objects.get()
    assert job.slurm_state
    assert len(job.reason) <= 200


def test_more_files_than_are_read_is_422(cast: Cast, fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus, stdout="/home/plgalice/slurm-100.out")
    fake.outcome = TooMuch("/home/plgalice has more than 100000 files, too many to look through")
    answer = cast.alice("GET", "/api/jobs/100.x/stdout")
    assert (answer.status_code, answer.json()["error_message"]) == (422, str(fake.outcome))


def test_what_had_been_printed_before_a_time_out_is_told_without_nul(
    cast: Cast, fake: FakeGateway, zeus: Cluster
) -> None:
    registered(zeus)
    fake.outcome = Interrupted("lost\0", stdout=b"half\0 an answer \xff")
    answer = cast.alice("PUT", "/api/jobs/100.x", {"action": "abort"})
    assert answer.status_code == 408
    body = answer.json()
    assert body["standard_output"] == "half\ufffd an answer \ufffd"
    assert "\0" not in body["error_message"] + body["error_output"]
