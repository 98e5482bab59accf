"""What each of the three groups sees and does, in Chromium, with real clusters behind it."""

import csv
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import VIEWS, Enter, Keep
from tests.harness.caller import Caller
from tests.harness.sandbox_env import Cluster


def open_cluster(page: Page, cluster: Cluster) -> None:
    """Go to the page on which the cluster is operated."""
    page.goto("/admin/clusters/cluster/")
    page.click(f"#result_list a:has-text('{cluster.host}')")
    page.click("text=Operate: test, host keys, enable")
    page.wait_for_load_state()  # what is not there must not be looked for too early


# The width of a list's table, and of the room that it has: what is wider is hidden until somebody scrolls.
_WIDTHS = """() => {
    const table = document.querySelector("#result_list");
    return table ? [table.scrollWidth, table.parentElement.clientWidth] : [0, 0];
}"""


@pytest.mark.parametrize(("name", "size", "dark"), VIEWS)
def test_the_start_page_shows_real_data_on_every_screen(
    enter: Enter,
    keep: Keep,
    name: str,
    size: dict[str, int],
    dark: bool,
    alice: Caller,
    zeus: Cluster,
) -> None:
    alice.complete(alice.submit(zeus, "true", tag="a tag as long as those that people choose for a run of November"))
    alice.submit(zeus, "true", tag="without-a-blank/" + 60 * "x")
    alice.order(zeus, "#!/bin/bash\n#SBATCH --no-such-option\n")
    page = enter("chief", dark=dark, size=size)
    page.wait_for_selector(".verdict h2")
    for pages, address in (
        ("start", "/admin/"),
        ("jobs", "/admin/jobs/job/"),
        ("clusters", "/admin/clusters/cluster/"),
        ("audit", "/admin/audit/entry/"),
        ("accounts", "/admin/auth/user/"),
        ("failed-logins", "/admin/axes/accessattempt/"),
        ("logins", "/admin/axes/accesslog/"),
    ):
        page.goto(address)
        keep(page, f"{pages}-{name}")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], f"{pages} is too wide"
        needed, there = page.evaluate(_WIDTHS)
        assert needed <= there, f"{pages} hides a part of its table"
    page.goto("/admin/")
    assert page.locator("article.cluster").count() >= 2
    assert page.locator("svg.chart").count() == 6
    assert page.locator("svg.submissions rect.back").count() >= 1


def test_who_only_looks_finds_a_job_and_its_history_and_can_do_nothing(
    enter: Enter,
    keep: Keep,
    alice: Caller,
    zeus: Cluster,
) -> None:
    job = alice.complete(alice.submit(zeus, "true", tag="browser looks"))
    page = enter("looker")
    page.goto("/admin/jobs/job/")
    assert page.locator("option[value=abort_jobs]").count() == 0
    page.fill("#searchbar", job["job_id"])
    page.click("#changelist-search input[type=submit]")
    page.click(f"#result_list a:has-text('{job['job_id']}')")
    assert "FINISHED" in page.inner_text("#events-group")
    keep(page, "job-read-only")
    open_cluster(page, zeus)
    assert page.locator("input[value='Test the connection']").count() == 0


def test_an_operator_tests_a_connection(enter: Enter, keep: Keep, zeus: Cluster) -> None:
    page = enter("doer")
    open_cluster(page, zeus)
    page.fill("#account", "plgalice")
    page.click("text=Test the connection")
    assert "slurm" in page.inner_text("#output")
    keep(page, "connection-test")
    page.fill("#account", "root")
    page.click("text=Test the connection")
    assert "Refused" in page.inner_text("#output.bad")


def test_an_operator_aborts_many_and_the_history_says_who(
    enter: Enter,
    keep: Keep,
    alice: Caller,
    zeus: Cluster,
) -> None:
    tag = f"bulk {uuid.uuid4()}"
    jobs = [alice.submit(zeus, "sleep 600", tag=tag) for _ in range(4)]
    page = enter("doer")
    page.goto("/admin/jobs/job/")
    page.fill("input[name=tagged]", tag)
    page.click("form.typed:has(input[name=tagged]) input[type=submit]")
    expect(page.locator("#result_list tbody tr")).to_have_count(4)
    page.check("#action-toggle")
    page.select_option("select[name=action]", "abort_jobs")
    page.click("button[name=index]")
    assert "Abort 4 jobs" in page.inner_text("h2")
    keep(page, "abort-confirmation")
    page.click("text=Yes, abort 4 jobs")
    page.wait_for_selector("#operation[data-over=yes]", timeout=60_000)
    assert page.inner_text("[data-figure=done]") == "4"
    keep(page, "abort-over")
    assert {alice.job(job["job_id"])["status"] for job in jobs} == {"ABORTED"}
    page.goto(f"/admin/jobs/job/?q={jobs[0]['job_id']}")
    page.click(f"#result_list a:has-text('{jobs[0]['job_id']}')")
    assert "test-doer" in page.inner_text("#events-group")
    assert "test-doer" in page.inner_text("table.events")
    keep(page, "job-aborted")
    page.click("text=In the audit log")
    line = page.locator("#result_list tr:has(td.field-action:text-is('abort'))")
    expect(line).to_have_count(1)
    for words in ("operator test-doer", "account plgalice", jobs[0]["job_id"], zeus.host, "127.0.0.1"):
        assert words in line.inner_text()
    keep(page, "audit-abort")


def test_the_filtered_list_comes_as_csv(
    enter: Enter,
    alice: Caller,
    zeus: Cluster,
    tmp_path: Path,
) -> None:
    job = alice.submit(zeus, "true", tag="for the sheet")
    page = enter("looker")
    page.goto(f"/admin/jobs/job/?q={job['job_id']}")
    with page.expect_download() as download:
        page.click("text=Export as CSV")
    download.value.save_as(tmp_path / "jobs.csv")
    with (tmp_path / "jobs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["job_id"], row["tag"], row["account"]) for row in rows] == [
        (job["job_id"], "for the sheet", "plgalice")
    ]


def test_an_administrator_compares_the_host_keys_and_sees_the_form(
    enter: Enter,
    keep: Keep,
    zeus: Cluster,
) -> None:
    page = enter("chief")
    open_cluster(page, zeus)
    page.click("text=Fetch the keys for comparison")
    expect(page.locator(".keys .badge.up")).to_have_count(1)
    keep(page, "host-keys")
    page.click("text=Pin the chosen keys")
    assert "Nothing was pinned" in page.inner_text(".errornote")
    page.goto("/admin/clusters/cluster/")
    page.click(f"#result_list a:has-text('{zeus.host}')")
    keep(page, "cluster-form")
    page.fill("#id_host_keys", "")
    page.click("input[name=_continue]")
    assert "Without a host key it cannot be enabled" in page.inner_text(".field-enabled")
    keep(page, "cluster-form-refused")
