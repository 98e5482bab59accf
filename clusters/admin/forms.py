"""The form of a cluster: what is wrong is said at the field, in the field's own words."""

import string
import zoneinfo
from typing import Any

from django import forms

from clusters.models import Cluster

PLACES = {"path", "account", "job_id"}


class Lines(forms.Field):
    """A list of texts, one on each line."""

    widget = forms.Textarea

    def __init__(self, *, each: Any, rows: int = 3, **options: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"rows": rows, "class": "vLargeTextField"}), **options)
        self._each = each

    def prepare_value(self, value: Any) -> Any:
        """Show a list as lines."""
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        """Return the lines; what is wrong with one is said with its number. Raises ValidationError."""
        lines = [line.strip() for line in (value or "").splitlines() if line.strip()]
        super().clean(lines)
        wrong = []
        for number, line in enumerate(lines, 1):
            try:
                self._each.clean(line, None)
            except forms.ValidationError as exc:
                wrong.append(f"Line {number}: {' '.join(exc.messages)}")
        if wrong:
            raise forms.ValidationError(wrong)
        return lines


class ClusterForm(forms.ModelForm):
    """Everything about a cluster. Without a host key it cannot be enabled."""

    aliases = Lines(
        each=Cluster._meta.get_field("aliases").base_field,  # noqa: SLF001 - Django documents _meta
        required=False,
        help_text="Other names that users may give as host, one on each line.",
    )
    host_keys = Lines(
        each=Cluster._meta.get_field("host_keys").base_field,  # noqa: SLF001
        required=False,
        rows=4,
        help_text="The keys that the login node may show, one on each line as TYPE BASE64. Leave it empty for a new "
        "cluster: its keys can be fetched and compared afterwards.",
    )
    time_zone = forms.ChoiceField(help_text="In which users read the times of its jobs.")

    class Meta:
        model = Cluster
        fields = "__all__"  # noqa: DJ007 - an operator's form has every field
        widgets = {"disabled_message": forms.TextInput(attrs={"class": "vLargeTextField"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "time_zone" in self.fields:
            zones = [(name, name) for name in sorted(zoneinfo.available_timezones())]
            self.fields["time_zone"].choices = zones  # type: ignore[attr-defined]
            self.fields["time_zone"].initial = self.fields["time_zone"].initial or "UTC"

    def clean_download_url(self) -> str:
        """Refuse a template that would fail at a user's first look at a job. Raises ValidationError."""
        url = str(self.cleaned_data["download_url"])
        try:
            names = {name for _, name, _, _ in string.Formatter().parse(url) if name is not None}
        except ValueError as exc:
            raise forms.ValidationError(f"The braces do not match: {exc}") from exc
        if unknown := names - PLACES:
            raise forms.ValidationError(
                f"{', '.join(sorted(unknown)) or '{}'} is not known here: use {{path}}, {{account}}, {{job_id}}"
            )
        if url and not url.startswith(("https://", "http://")):
            raise forms.ValidationError("A download template begins with https://")
        return url

    def clean(self) -> dict[str, Any]:
        """Have nobody enable what cannot be reached. Raises ValidationError."""
        values = super().clean() or {}
        if values.get("enabled") and not values.get("host_keys") and "host_keys" not in self.errors:
            self.add_error(
                "enabled", "Without a host key it cannot be enabled: save it disabled, then fetch and confirm its key."
            )
        channels, each = values.get("channels"), values.get("callers_per_account")
        if each and values.get("callers") and each > values["callers"]:
            self.add_error("callers_per_account", "One account cannot have more callers than all together.")
        if channels and each and channels > each:
            self.add_error("channels", "More channels than callers of an account are never used.")
        return values
