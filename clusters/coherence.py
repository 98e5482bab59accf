"""What a cluster's values have to be, beside each other and in use: asked by the form and for the operators' file."""

import string
from collections.abc import Iterator, Mapping
from typing import Any

PLACES = {"path", "account", "job_id"}


def faults(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give the field's name and a sentence for each fault. A value that is not among `values` is at nobody's fault."""
    if (url := values.get("download_url")) and (wrong := _wrong_template(url)):
        yield "download_url", wrong
    aliases = [alias.lower() for alias in values.get("aliases") or ()]
    if doubled := sorted({alias for alias in aliases if aliases.count(alias) > 1}):
        yield "aliases", f"Twice among them: {', '.join(doubled)}."
    if values.get("enabled") and "host_keys" in values and not values["host_keys"]:
        yield "enabled", "Without a host key it cannot be enabled: save it disabled, then fetch and confirm its key."
    channels, each = values.get("channels"), values.get("callers_per_account")
    if each and values.get("callers") and each > values["callers"]:
        yield "callers_per_account", "One account cannot have more callers than all together."
    if channels and each and channels > each:
        yield "channels", "More channels than callers of an account are never used."


def _wrong_template(url: str) -> str:
    """Return what would fail at a user's first look at a job, "" for nothing."""
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(url) if name is not None}
    except ValueError as exc:
        return f"The braces do not match: {exc}"
    if unknown := names - PLACES:
        return f"{', '.join(sorted(unknown)) or '{}'} is not known here: use {{path}}, {{account}}, {{job_id}}"
    return "" if url.startswith(("https://", "http://")) else "A download template begins with https://"
