"""The form of a cluster, which shows each fault at its field."""

import zoneinfo
from typing import Any

from django import forms

from clusters.models import Cluster
from clusters.validators import incoherent


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
        """Return the lines. Raises ValidationError, with the number of each faulty line."""
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

    def clean(self) -> dict[str, Any]:
        """Add an error to each field whose value does not fit the others', or would fail in use."""
        values = super().clean() or {}
        for name, message in [*incoherent(values)]:
            self.add_error(name, message)
        return values
