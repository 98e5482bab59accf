"""What the sandbox copies to where the service's account can read it."""

from pathlib import Path

from django.conf import settings

from sandbox.service import SOURCES


def test_every_application_of_the_checkout_is_copied() -> None:
    rooms = {app.partition(".")[0] for app in settings.INSTALLED_APPS}
    assert {room for room in rooms if Path(settings.BASE_DIR, room).is_dir()} <= set(SOURCES)
