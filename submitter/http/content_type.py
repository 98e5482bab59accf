"""Lets Django see only a Content-Type that it can read: a WSGI layer around Django.

Django looks at it before any handler of errors is there, and decodes the query and the body by its charset: some of
Python's codecs fail for every input, others take time that grows with its square.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_LONGEST = 256  # characters, of which patterns like the one below take no time that matters
_NAME = r"[!#$%&'+.^_`|~0-9A-Za-z-]+"  # RFC 9110, section 5.6.2, without the asterisk of RFC 2231
_FORM = re.compile(rf'{_NAME}/{_NAME}(?:[ \t]*;[ \t]*{_NAME}=(?:{_NAME}|"[^"\\]*"))*[ \t]*;?[ \t]*')
_CHARSET = re.compile(r';[ \t]*charset="?([^";\s]*)', re.IGNORECASE)
MALFORMED, OTHER_CHARSET = "malformed/content-type", "unknown/charset"
"""What Django sees instead of a Content-Type that it should not read."""
_CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1"}


def with_readable_content_type(application: Application) -> Application:
    """Wrap `application`: what is no media type, or is in an encoding that is not read here, is of an unknown type."""

    def reading(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "CONTENT_TYPE" in environ:
            environ["CONTENT_TYPE"] = readable(environ["CONTENT_TYPE"])
        return application(environ, start_response)

    return reading


def readable(content_type: str) -> str:
    """Return `content_type`, or a type that nobody reads: the API answers 415 then, with the message of `fault`."""
    if not content_type:
        return ""
    if len(content_type) > _LONGEST or not _FORM.fullmatch(content_type):
        return MALFORMED
    if not {charset.lower() for charset in _CHARSET.findall(content_type)} <= _CHARSETS:
        return OTHER_CHARSET
    return content_type


def fault(content_type: str) -> str:
    """Return why no body is read of what `readable` gave, as a sentence; "" where it is the caller's own media type."""
    if not content_type:
        return "There is no Content-Type."
    if content_type == MALFORMED:
        return "The Content-Type cannot be read."
    return "The charset of the Content-Type is not read here." if content_type == OTHER_CHARSET else ""
