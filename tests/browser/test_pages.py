"""The pages for everybody: in a browser that obeys their content policy they are whole, and complain of nothing."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import VIEWS, Keep
from tests.harness.sandbox_env import variable

# Whatever the policy stops, in a script's own words, also where the console would not say it.
_WATCH = """
window.stopped = [];
const note = event => window.stopped.push(event.violatedDirective + " " + event.blockedURI);
document.addEventListener("securitypolicyviolation", note);
"""


@pytest.fixture(params=VIEWS, ids=[name for name, *_ in VIEWS])
def view(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[tuple[str, Page]]:
    """A page of each size and colour scheme; at the end nothing was stopped, nothing failed, nothing is too wide."""
    name, size, dark = request.param
    context = chromium.new_context(
        base_url=variable("BASE_URL"),
        ignore_https_errors=True,  # the sandbox's certificate is its own
        viewport=size,
        color_scheme="dark" if dark else "light",
    )
    complaints: list[str] = []
    page = context.new_page()
    page.add_init_script(_WATCH)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda answer: complaints.append(answer.url) if answer.status >= 400 else None)
    yield name, page
    assert (complaints, page.evaluate("window.stopped")) == ([], [])
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    context.close()


def test_the_front_page_has_its_calls(view: tuple[str, Page], keep: Keep) -> None:
    name, page = view
    page.goto("/")
    keep(page, f"front-{name}")
    assert "zeus.cyfronet.pl" in page.inner_text("body")
    assert page.evaluate("getComputedStyle(document.body).fontFamily") != "serif"


def test_the_reference_shows_each_call(view: tuple[str, Page], keep: Keep) -> None:
    name, page = view
    page.goto("/api/docs")
    page.wait_for_selector(".opblock-summary")
    calls = page.locator(".opblock-summary").all_inner_texts()
    assert len(calls) == 9, calls
    page.click(".opblock-summary-post")
    page.wait_for_selector(".opblock-body .model-example")
    keep(page, f"reference-{name}")
    red = page.evaluate("getComputedStyle(document.querySelector('.info .title')).color.match(/[0-9]+/)[0]")
    assert (int(red) > 128) is name.endswith("dark")


def test_the_login_is_whole(view: tuple[str, Page], keep: Keep) -> None:
    name, page = view
    page.goto("/admin/login/")
    assert page.locator("#id_password").is_visible()
    keep(page, f"login-{name}")
