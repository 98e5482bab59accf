"""The forms of the page on which a cluster is operated, one for each operation."""

from typing import Any, ClassVar

from django import forms
from django.core import signing

from clusters.admin import host_keys
from clusters.models import Cluster


class OperationForm(forms.Form):
    """What an operator asks for.

    `permission` is what that takes, and `action` its word in the audit log, also where the form is not valid.
    """

    permission: ClassVar[str]
    action = ""

    def __init__(self, cluster: Cluster, data: Any) -> None:
        super().__init__(data)
        self.cluster = cluster

    @property
    def fault(self) -> str:
        """What is wrong with the form, for people."""
        return " ".join(str(message) for messages in self.errors.values() for message in messages)


class PingForm(OperationForm):
    """Test the connection, as `account` or, if that is empty, as the poll account."""

    permission = "clusters.ping_cluster"
    action = "test"

    account = forms.CharField(max_length=32, required=False)

    @property
    def fault(self) -> str:
        """What is wrong with the account's name."""
        return f"That is no account's name: {super().fault}"


class SwitchForm(OperationForm):
    """Enable the cluster, or disable it and tell users `message`."""

    permission = "clusters.switch_cluster"

    enabled = forms.CharField(required=False)
    message = forms.CharField(max_length=500, required=False)

    @property
    def action(self) -> str:  # type: ignore[override]  # depends on what was asked for
        """Either `enable` or `disable`."""
        return "enable" if self.data.get("enabled") == "yes" else "disable"

    def clean_enabled(self) -> bool:
        """Return whether it is to be enabled, for which it needs a host key. Raises ValidationError."""
        enabled: bool = self.cleaned_data["enabled"] == "yes"
        if enabled and not self.cluster.host_keys:
            raise forms.ValidationError("Without a host key it cannot be enabled: fetch and confirm its key first.")
        return enabled


class FetchKeysForm(OperationForm):
    """Fetch the host keys, to be compared."""

    permission = "clusters.change_cluster"
    action = "fetch-host-keys"


class _AnyChoices(forms.MultipleChoiceField):
    """Texts that are chosen from what another field holds."""

    def valid_value(self, value: str) -> bool:  # noqa: ARG002 - Django's signature
        """Accept any; the form compares them."""
        return True


class PinKeysForm(OperationForm):
    """Pin the keys, of those that were shown, that a person has compared."""

    permission = "clusters.change_cluster"
    action = "confirm-host-keys"

    sealed = forms.CharField(required=False)
    key = _AnyChoices(required=False)
    compared = forms.CharField(required=False)

    def clean(self) -> dict[str, Any]:
        """Add `chosen` to the values: the keys to pin. Raises ValidationError."""
        values = super().clean() or {}
        try:
            shown = host_keys.unseal(self.cluster, values.get("sealed", ""))
        except signing.BadSignature as exc:
            raise forms.ValidationError("The keys are no longer those that were shown: fetch them again.") from exc
        values["chosen"] = [key for key in shown if key in values.get("key", [])]
        if not values["chosen"] or values.get("compared") != "yes":
            raise forms.ValidationError("Nothing was pinned: choose the keys, and say that you have compared them.")
        return values


# By what the page's forms send as `do`.
FORMS: dict[str, type[OperationForm]] = {
    "ping": PingForm,
    "switch": SwitchForm,
    "fetch": FetchKeysForm,
    "pin": PinKeysForm,
}
