"""What is there beside the calls: health, the front page, the API's description, the admin's door, commands."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
import yaml

from tests.harness.caller import Caller
from tests.harness.operators import manage
from tests.harness.sandbox_env import Cluster, variable

ROUTES = {"/api/jobs", "/api/jobs/{job_id}", "/api/jobs/{job_id}/stdout", "/api/jobs/{job_id}/stderr"}


class Assets(HTMLParser):
    """Collects what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down scripts, style sheets, images and frames."""
        wanted = {"script": "src", "link": "href", "img": "src", "iframe": "src"}.get(tag)
        self.found += [value for name, value in attrs if name == wanted and value]


def assets(page: httpx.Response) -> list[str]:
    """Return the addresses of what a page loads."""
    parser = Assets()
    parser.feed(page.text)
    return parser.found


def test_health_is_asked_without_a_proxy(nobody: Caller) -> None:
    answer = nobody.call("GET", "/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_the_front_page_shows_the_calls_for_the_registered_hosts(
    nobody: Caller, zeus: Cluster, prometheus: Cluster
) -> None:
    page = nobody.call("GET", "/")
    assert page.status_code == 200
    for word in (
        '--cacert {ca-file} --header @"$header"',
        zeus.host,
        prometheus.host,
        "PROXY",
        "base64",
        "DELETE",
        "PUT",
        "abort",
        variable("BASE_URL"),
    ):
        assert word in html.unescape(page.text), word


def test_the_description_is_openapi_3_and_names_each_call(nobody: Caller) -> None:
    answer = nobody.call("GET", "/api/schema")
    assert answer.status_code == 200
    described = yaml.safe_load(answer.text)
    assert described["openapi"].startswith("3.")
    paths = {re.sub(r"/$", "", path): set(calls) for path, calls in described["paths"].items()}
    assert set(paths) >= ROUTES
    assert paths["/api/jobs"] >= {"get", "post"}
    assert paths["/api/jobs/{job_id}"] >= {"get", "put", "delete"}
    for calls in described["paths"].values():
        for call in calls.values():
            assert {"401", "403"} <= set(call["responses"])


def test_the_description_comes_in_the_form_that_is_asked_for(nobody: Caller) -> None:
    answer = nobody.call("GET", "/api/schema", headers={"Accept": "application/json"})
    assert "json" in answer.headers["Content-Type"]
    assert answer.json()["openapi"].startswith("3.")


@pytest.mark.parametrize("path", ["/", "/api/docs", "/admin/login/"])
def test_pages_load_nothing_from_elsewhere(nobody: Caller, path: str) -> None:
    page = nobody.call("GET", path)
    assert page.status_code == 200
    for address in assets(page):
        own = address.removeprefix(variable("BASE_URL"))
        assert re.match(r"/(?!/)|data:", own), address
        if own.startswith("/"):
            assert nobody.call("GET", own).status_code == 200, address
    assert not re.search(r"(?:src|href|url)\s*[=(:]\s*[\"'](?:https?:)?//(?!127\.0\.0\.1)", page.text)


def test_the_page_with_the_description_has_what_it_needs(nobody: Caller) -> None:
    assert any("swagger-ui" in address for address in assets(nobody.call("GET", "/api/docs")))


@pytest.mark.parametrize("path", ["/admin/", "/admin/jobs/job/", "/admin/clusters/cluster/"])
def test_a_proxy_does_not_open_the_admin(alice: Caller, path: str) -> None:
    answer = alice.call("GET", path)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/admin/login/")
    assert "sessionid" not in answer.cookies


def test_the_admin_opens_to_its_password(zeus: Cluster) -> None:
    password = Path(variable("ADMIN_PASSWORD_FILE")).read_text().strip()
    with httpx.Client(base_url=variable("BASE_URL"), verify=False, follow_redirects=True) as browser:  # noqa: S501 - loopback
        login = browser.get("/admin/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', login.text)
        assert token
        form = {"username": variable("ADMIN_USER"), "password": password, "csrfmiddlewaretoken": token[1]}
        entered = browser.post("/admin/login/?next=/admin/", data=form, headers={"Referer": str(login.url)})
        assert entered.status_code == 200
        assert browser.get("/admin/jobs/job/?q=plgalice").status_code == 200
        assert zeus.host in browser.get("/admin/clusters/cluster/").text


def test_each_cluster_answers_its_operators(zeus: Cluster, prometheus: Cluster) -> None:
    told = manage("pingcluster")
    assert told.returncode == 0, told.stderr
    for word in (zeus.host, prometheus.host, "22.05", "ms"):
        assert word in told.stdout
    assert manage("pingcluster", "nowhere").returncode != 0


@pytest.mark.parametrize(("user", "code"), [("ALICE", 0), ("BOB", 0), ("CAROL", 1)])
def test_operators_can_check_a_proxy(user: str, code: int) -> None:
    told = manage("checkproxy", variable(f"{user}_PROXY"))
    assert told.returncode == code, told.stdout + told.stderr
    assert "PRIVATE KEY" not in told.stdout + told.stderr


def test_what_cannot_be_read_as_a_proxy_is_another_exit_code(tmp_path: Path) -> None:
    assert manage("checkproxy", str(tmp_path / "absent")).returncode == 2
