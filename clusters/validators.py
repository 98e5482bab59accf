"""What the values of a cluster have to be: each by itself (Django's validators), and together (`incoherent`)."""

import base64
import ipaddress
import re
import string
import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator

from clusters.errors import Refused
from clusters.ssh.endpoint import check_account

_HOST_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]+={0,2})\Z")
_KEY_PARTS = {"ssh-ed25519": 2, "ssh-rsa": 3}  # strings and integers of its blob, the type first; of ECDSA's also three
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_ADDRESS = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?\Z")
_SAFE_VALUE = re.compile(r"[A-Za-z0-9._:,/@%+=-]*\Z")
_SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
DOWNLOAD_URL_PLACES = {"path", "account", "job_id"}

host_name = RegexValidator(
    r"\A[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\Z", "a host name: letters, digits, dots, hyphens"
)
seconds = [MinValueValidator(1), MaxValueValidator(600)]


def validate_host_key(value: str) -> None:
    """Accept `TYPE BASE64` as ssh-keyscan prints it behind the host's name."""
    if not (match := _HOST_KEY.match(value)):
        raise ValidationError("A host key is a type and its Base64 text, such as: ssh-ed25519 AAAAC3...")
    kind, text = match.groups()
    try:
        parts = _parts(base64.b64decode(text, validate=True))
    except ValueError:
        parts = []
    if len(parts) != _KEY_PARTS.get(kind, 3) or parts[0] != kind.encode() or not all(parts):
        raise ValidationError(f"This is no whole key of the type {kind}: copy all of its line")


def _parts(blob: bytes) -> list[bytes]:
    """Return what a key's blob is made of, each behind its length (RFC 4253, section 6.6); four at most.

    Raises ValueError.
    """
    parts: list[bytes] = []
    while blob and len(parts) <= max(_KEY_PARTS.values()):
        length = int.from_bytes(blob[:4], "big")
        if length > len(blob) - 4:
            raise ValueError("it is cut off")
        parts.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return parts


def validate_address(value: str) -> None:
    """Accept what a login node is reached by: a host name, or an IP address without brackets."""
    try:
        is_right = ipaddress.ip_address(value) is not None and value.isprintable() and " " not in value
    except ValueError:
        is_right = bool(_ADDRESS.match(value)) and not set(value) <= set("0123456789.")
    if not is_right:
        raise ValidationError("a host name or an IP address, without brackets, blanks and port")


def validate_account(value: str) -> None:
    """Accept an account that this service may become."""
    try:
        check_account(value)
    except Refused as exc:
        raise ValidationError(
            "an account that jobs can run as: small letters, digits, dots, hyphens and _, a letter or _ first; not root"
        ) from exc


def validate_time_zone(value: str) -> None:
    """Accept a name of the IANA time zone database."""
    if value not in zoneinfo.available_timezones():
        raise ValidationError(f"{value} is no IANA time zone such as Europe/Warsaw or UTC")


def validate_environment(value: object) -> None:
    """Accept a mapping of variable names to values that need no quoting in any shell."""
    if not isinstance(value, dict):
        raise ValidationError("The environment is a JSON object of names and values")
    for name, text in value.items():
        if not _SAFE_NAME.match(name) or not isinstance(text, str) or not _SAFE_VALUE.match(text):
            raise ValidationError(f"{name}: a name of letters, digits, _ and a value without blanks or quotes")


def incoherent(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield, for each fault of `values` beside each other and in use, the field's name and a sentence.

    Fields that are not among `values` are left out.
    """
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
    """Return what is wrong with a download template, "" for nothing: else it would fail when a user looks at a job."""
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(url) if name is not None}
    except ValueError as exc:
        return f"The braces do not match: {exc}"
    if unknown := names - DOWNLOAD_URL_PLACES:
        return f"{', '.join(sorted(unknown)) or '{}'} is not known here: use {{path}}, {{account}}, {{job_id}}"
    return "" if url.startswith(("https://", "http://")) else "A download template begins with https://"
