"""A plugin of pytest for the tests on the sandbox: which of them share a process of pytest-xdist, in which order.

Needs `--dist=loadgroup --no-loadscope-reorder`; `tests.run` passes these, and this plugin with `-p`.
"""

import pytest

# What takes longest, and waits for most of that time: it begins first.
_FIRST = (
    "tests/live/test_time_limit.py",
    "tests/schema/test_schema.py",
    "tests/schema/test_clients.py",
    "tests/live/test_output_files.py",
    "tests/live/test_observability.py",
    "tests/browser/test_operators.py",
    "tests/live/test_endings.py",
)
_FIRST_APART = "tests/live/penalties/"
# What has to come after the other tests that run alone: a minute later, or when all has happened that may leave traces.
_LAST = ("tests/live/test_forgotten.py", "tests/live/test_no_trace.py")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep the tests of a file in one process, in their order: they share what its fixtures have made.

    Exceptions say so: tests with a group of their own (`xdist_group`), and files whose tests share nothing (`spread`).
    Those that need to be alone are all in one group.
    """
    if item.get_closest_marker("alone"):
        item.add_marker(pytest.mark.xdist_group("alone"), append=False)
    elif not item.get_closest_marker("xdist_group") and not item.get_closest_marker("spread"):
        item.add_marker(pytest.mark.xdist_group(_file(item)))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=_turn)
    if config.getoption("loadgroup", default=False):
        for item in items:
            _name_group(item)


def _name_group(item: pytest.Item) -> None:
    """Put the group behind the test's id, where the scheduler looks for it.

    pytest-xdist 3.8 does so itself, but in an attribute that pytest 9.2 does not read any more: then all tests would be
    spread over all processes.
    """
    mark = item.get_closest_marker("xdist_group")
    if mark and not item.nodeid.endswith(f"@{mark.args[0]}"):
        item._id = type(item._id).parse(f"{item.nodeid}@{mark.args[0]}")


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _turn(item: pytest.Item) -> int:
    """Return a number that is lower for what is to begin earlier."""
    file = _file(item)
    if file in _FIRST:
        return _FIRST.index(file) - len(_FIRST)
    if item.get_closest_marker("alone"):
        return 1 + _LAST.index(file) if file in _LAST else 0
    return 3 if not file.startswith(_FIRST_APART) else 1
