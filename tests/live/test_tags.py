"""Tags of any printable characters: kept as they came, and found by exactly themselves."""

from collections.abc import Iterator

import pytest

from tests.harness.caller import Caller, Job, script
from tests.harness.contract import error
from tests.harness.sandbox_env import Cluster

HELD = "#SBATCH --hold"

TAGS = [
    "two  spaces",
    " around ",
    "quotes ' and \"",
    "$(touch canary)",
    "; DROP TABLE jobs_job; --",
    "back\\slash \\n",
    "ÄÖÜ żółć 漢字 🧪",
    "-leading dash",
    "100% & more=1+1#top",
    "null",
    "%",
    "_",
    "x" * 255,
]


@pytest.fixture(scope="module")
def tagged(alice: Caller, zeus: Cluster) -> Iterator[dict[str, Job]]:
    """A waiting job for each tag."""
    jobs = {tag: alice.submit(zeus, HELD, tag=tag) for tag in TAGS}
    yield jobs
    for job in jobs.values():
        alice.call("DELETE", f"/api/jobs/{job['job_id']}")


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_comes_back_as_it_was_sent_and_finds_its_job_alone(
    alice: Caller, tagged: dict[str, Job], tag: str
) -> None:
    job = tagged[tag]
    assert job["tag"] == alice.job(job["job_id"])["tag"] == tag
    found = alice.call("GET", "/api/jobs", params={"tag": tag}).json()
    assert job["job_id"] in [one["job_id"] for one in found]
    assert {one["tag"] for one in found} == {tag}


def test_only_the_whole_tag_in_its_own_case_finds_a_job(alice: Caller, zeus: Cluster, tag: str) -> None:
    job = alice.submit(zeus, HELD, tag=tag)
    for other in (tag[:-1], tag + "x", tag.upper(), f" {tag}", f"{tag} ", f"{tag[:-1]}_", f"{tag[:-1]}%", "*"):
        assert alice.call("GET", "/api/jobs", params={"tag": other}).json() == [], other
    assert [one["job_id"] for one in alice.call("GET", f"/api/jobs?tag={tag}").json()] == [job["job_id"]]
    alice.end(job)


def test_the_list_of_a_tag_is_newest_first_and_over_both_clusters(
    alice: Caller, zeus: Cluster, prometheus: Cluster, tag: str
) -> None:
    ids = [alice.submit(one, HELD, tag=tag)["job_id"] for one in (zeus, prometheus, zeus)]
    assert [one["job_id"] for one in alice.call("GET", f"/api/jobs?tag={tag}").json()] == ids[::-1]
    for job_id in ids:
        alice.call("DELETE", f"/api/jobs/{job_id}")
    assert alice.call("GET", f"/api/jobs?tag={tag}").json() == []


def test_no_tag_is_null(alice: Caller, zeus: Cluster) -> None:
    for job in (alice.submit(zeus, HELD), alice.submit(zeus, HELD, tag=None)):
        assert job["tag"] is None
        alice.end(job)


@pytest.mark.parametrize(
    "wrong", ["", "x" * 256, "line\nbreak", "tab\t", "nul\0", "bell\a", "\u200b", 5, ["a"], {}, False]
)
def test_what_is_no_tag_is_refused(alice: Caller, zeus: Cluster, wrong: object) -> None:
    told = error(alice.order(zeus, script(HELD), tag=wrong), 422)
    assert "tag" in told["error_message"]
    assert told["tag"] == (wrong if isinstance(wrong, str) else None)
