"""What the tests of every folder rest on."""

from django.dispatch import receiver
from django.test.signals import setting_changed
from hypothesis import settings

# How many examples Hypothesis tries where a test says no number. Each run tries others, so that many short runs find
# what a long one does; `--hypothesis-profile=thorough` is for the night and for who changes a parser. No example has a
# deadline: how long one takes says more about the machine.
settings.register_profile("quick", max_examples=100, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile("quick")


@receiver(setting_changed)
def _judge_by_the_new_settings(*, setting: str, **_: object) -> None:
    """Have the process's authenticator made anew: the service reads its settings once, tests change them."""
    if setting.startswith("PROXY_") or setting in {"TRUST_DIR", "GRIDMAP"}:
        from proxyauth.authenticator import authenticator  # noqa: PLC0415 - it needs the settings

        authenticator.cache_clear()
