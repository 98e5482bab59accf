"""The page of log events: as the code writes them, and what each means."""

from submitter.documentation import markdown
from submitter.documentation.eventmeanings import MEANINGS
from submitter.documentation.events import Event, events

_INTRODUCTION = (
    "The service writes one line of JSON for each event to standard error. Beside the fields below, each line has "
    "`event`, `level`, `logger` and `timestamp` (UTC). Lines of a request have its `request_id` and the address "
    "`client`; lines of a task have its name `task`, and the `request_id` of the request that ordered it. "
    "`exception` holds a traceback. Django, gunicorn and Celery write lines of the same form, whose events are their "
    "own messages."
)


def page() -> str:
    """Return the page. Raises ValueError where an event has no meaning, or a meaning no event."""
    found = events()
    odd = sorted(found.keys() ^ MEANINGS.keys())
    if odd:
        raise ValueError(f"submitter/documentation/eventmeanings.py lacks these, or has them in vain: {odd}")
    rows = (_row(name, event) for name, event in sorted(found.items()))
    head = ["Event", "Level", "Fields", "Meaning", "Written by"]
    return markdown.page("Log events", _INTRODUCTION, markdown.table(head, rows))


def _row(name: str, event: Event) -> list[str]:
    levels = ", ".join(sorted(event.levels)) or "any"
    modules = markdown.codes(sorted(event.modules))
    return [markdown.code(name), levels, markdown.codes(event.fields), MEANINGS[name], modules]
