"""What the tests of every folder rest on."""

from django.dispatch import receiver
from django.test.signals import setting_changed


@receiver(setting_changed)
def _judge_by_the_new_settings(*, setting: str, **_: object) -> None:
    """Have the process's authenticator made anew: the service reads its settings once, tests change them."""
    if setting.startswith("PROXY_") or setting in {"TRUST_DIR", "GRIDMAP"}:
        from proxyauth.authenticator import authenticator  # noqa: PLC0415 - it needs the settings

        authenticator.cache_clear()
