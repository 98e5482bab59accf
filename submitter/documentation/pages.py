"""The pages of the reference by the names of their files, and the page that lists them."""

from collections.abc import Callable, Mapping
from types import ModuleType

from submitter.documentation import apipage, errorspage, eventspage, markdown, metricspage, rulespage, settingspage

_MODULES: Mapping[str, ModuleType] = {
    "api.md": apipage,
    "errors.md": errorspage,
    "log-events.md": eventspage,
    "metrics.md": metricspage,
    "proxy-rules.md": rulespage,
    "settings.md": settingspage,
}


def _index() -> str:
    """Return the page that lists the others by what their modules' first lines say."""
    first_lines = {name: str(module.__doc__).splitlines()[0] for name, module in _MODULES.items()}
    described = {name: line.removeprefix("The page of ").partition(": ") for name, line in first_lines.items()}
    lines = [f"- [{markdown.sentence(title)[:-1]}]({name}): {text}" for name, (title, _, text) in described.items()]
    return markdown.page("Reference", "What the code has, written down by the code itself.", "\n".join(lines))


PAGES: Mapping[str, Callable[[], str]] = {name: module.page for name, module in _MODULES.items()} | {"index.md": _index}
