"""A browser for each of the three groups of operators, and the folder for what it saw."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.harness.caller import Caller
from tests.harness.operators import manage
from tests.harness.sandbox_env import Cluster, variable
from tests.live.conftest import calling

CHROMIUM = "/usr/bin/chromium"  # Debian's own
ARTEFACTS = Path(__file__).parents[2] / ".local" / "artefacts"
GROUPS = {"looker": "read-only operator", "doer": "operator", "chief": "administrator"}
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
VIEWS = [
    ("desktop-light", DESKTOP, False),
    ("desktop-dark", DESKTOP, True),
    ("phone-light", PHONE, False),
    ("phone-dark", PHONE, True),
]

Enter = Callable[..., Page]
Keep = Callable[[Page, str], None]

_MAKE = """
from django.contrib.auth.models import Group, User
for name, group in {groups}.items():
    user, _ = User.objects.get_or_create(username="test-" + name, defaults={{"is_staff": True}})
    user.is_active = True
    user.set_password({password!r})
    user.save()
    user.groups.set([Group.objects.get(name=group)])
"""
_CLOSE = """
from django.contrib.auth.models import User
User.objects.filter(username__startswith="test-").update(is_active=False)
"""


@pytest.fixture(scope="session")
def password() -> Iterator[str]:
    """Make the three operators with a password of this run, and close their accounts at the end."""
    password = secrets.token_urlsafe(18)
    made = manage("shell", "-c", _MAKE.format(groups=GROUPS, password=password))
    assert made.returncode == 0, made.stderr
    yield password
    manage("shell", "-c", _CLOSE)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start the browser once."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def enter(chromium: Browser, password: str) -> Iterator[Callable[..., Page]]:
    """Log in as `looker`, `doer` or `chief`; each page fails the test on what the content policy stopped."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def log_in(name: str, *, dark: bool = False, size: dict[str, int] = DESKTOP) -> Page:
        context = chromium.new_context(
            base_url=variable("BASE_URL"),
            ignore_https_errors=True,  # the sandbox's certificate is its own
            viewport=size,  # type: ignore[arg-type]  # a TypedDict of the same two
            color_scheme="dark" if dark else "light",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/admin/")
        page.fill("#id_username", f"test-{name}")
        page.fill("#id_password", password)
        page.click("input[type=submit]")
        page.wait_for_url("**/admin/")
        return page

    yield log_in
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def keep() -> Callable[[Page, str], None]:
    """Write a picture of the whole page into the folder of artefacts."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)

    def shoot(page: Page, name: str) -> None:
        page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)

    return shoot


@pytest.fixture(scope="session")
def zeus() -> Cluster:
    """The cluster on which the operators' jobs run."""
    zone = ZoneInfo("Europe/Warsaw")
    return Cluster("zeus.cyfronet.pl", "batch.grid.cyf-kr.edu.pl", zone, Path(variable("ZEUS_SLURM_CONF")))


@pytest.fixture
def alice() -> Iterator[Caller]:
    """The owner of the jobs."""
    with calling("ALICE") as caller:
        yield caller
