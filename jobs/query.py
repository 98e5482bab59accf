"""What callers ask for in the query: numbers and switches, or a word about what is wrong with them."""

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

LARGEST = 999_999_999


def number(request: Request, name: str, *, default: int, least: int) -> int:
    """Return the number `name`, or `default` if there is none. Raises ValidationError."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST)) and least <= int(text)):
        raise ValidationError({name: f"must be a whole number from {least} to {LARGEST}"})
    return int(text)


def switch(request: Request, name: str) -> bool:
    """Return the switch `name`, in any case, or False if there is none. Raises ValidationError."""
    word = request.query_params.get(name, "false").lower()
    if word not in {"true", "false"}:
        raise ValidationError({name: "must be true or false"})
    return word == "true"
