"""The page of settings: every environment variable that the service reads, as it is described where it is read."""

import submitter.gunicorn.conf  # noqa: F401 - it describes the variables of the web server
from submitter.documentation import markdown
from submitter.environment import FORMER_NAMES, SETTINGS, Setting

_HEADINGS = (
    "The service", "The web server", "Limits for callers", "Who may call, and as which account",
    "Clusters and polling", "Operators",
)  # fmt: skip
_INTRODUCTION = (
    "The service is configured by environment variables alone. A value that cannot be read stops the start-up, and the "
    "message names the variable. Write them into `/etc/job-submitter/environment`; secrets belong into files of their "
    "own, which `SECRET_KEY_FILE`, `DATABASE_URL_FILE` and `REDIS_URL_FILE` name."
)

_FORMER = (
    "These names are still read in this release, and `manage.py check` warns of those that are set. Where both names "
    "are set, the new one counts. See [upgrading](../upgrade.md)."
)


def page() -> str:
    """Return the page. Raises ValueError where a variable is not described, or stands under an unknown heading."""
    faulty = [it.name for it in SETTINGS.values() if not it.meaning or it.heading not in _HEADINGS]
    if faulty:
        raise ValueError(f"no meaning, or an unknown heading: {', '.join(faulty)}")
    return markdown.page("Settings", _INTRODUCTION, *map(_section, _HEADINGS), _former_names())


def _section(heading: str) -> str:
    settings = sorted((it for it in SETTINGS.values() if it.heading == heading), key=lambda it: it.name)
    return f"## {heading}\n\n{markdown.table(['Variable', 'Value', 'Default', 'Meaning'], map(_row, settings))}"


def _former_names() -> str:
    rows = ([markdown.code(former.name), markdown.code(name)] for name, former in FORMER_NAMES.items())
    return f"## Former names\n\n{_FORMER}\n\n{markdown.table(['Former name', 'Variable'], rows)}"


def _row(setting: Setting) -> list[str]:
    return [markdown.code(setting.name), setting.form, setting.default or "**must be set**", setting.meaning]
