"""Which of a directory's files is which task's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.slurm.filenames import Pattern, Task, Template


def task(pattern: str, name: str) -> int | None:
    template = Template.of(Pattern.of(pattern))
    assert template
    return template.task(name.encode())


@pytest.mark.parametrize(
    ("pattern", "name", "number"),
    [
        ("slurm-19_%a.out", "slurm-19_7.out", 7),
        ("slurm-19_%a.out", "slurm-19_1000.out", 1000),
        ("slurm-19_%a.out", "slurm-19_.out", None),
        ("slurm-19_%a.out", "slurm-19_7.err", None),
        ("slurm-19_%a.out", "slurm-19_x7.out", None),
        ("%a", "4294967293", 4294967293),
        ("%a", "42949672930", None),
        ("x%a", "x٣", None),
        ("%a0", "100", 10),
        ("%a%a", "1212", 12),
        ("%a%a", "1213", None),
        ("%a-%a.out", "12-12.out", 12),
        ("%a-%a.out", "12-13.out", None),
        ("ż%a", "ż1", 1),
    ],
)
def test_the_number_of_a_task_is_what_stands_in_its_place_each_time(
    pattern: str, name: str, number: int | None
) -> None:
    assert task(pattern, name) == number


@pytest.mark.parametrize(
    ("pattern", "name", "number"),
    [
        ("x_%3a", "x_003", 3),
        ("x_%3a", "x_000", 0),
        ("x_%3a", "x_1003", 1003),
        ("x_%3a", "x_3", None),
        ("x_%3a", "x_0003", None),
        ("%3a-%a", "003-3", 3),
        ("%a-%3a", "3-003", 3),
        ("%a-%3a", "003-003", None),
        ("%2a%3a", "07007", 7),
        ("%99a", "0000000003", 3),  # SLURM pads to ten digits at most
    ],
)
def test_a_padded_number_has_as_many_digits_as_its_pattern_says(pattern: str, name: str, number: int | None) -> None:
    assert task(pattern, name) == number


def test_a_pattern_that_was_written_down_without_its_padding_finds_the_padded_files() -> None:
    assert [task("x_%a", name) for name in ("x_003", "x_010", "x_100")] == [3, 10, 100]


@pytest.mark.parametrize("name", ["slurm-19.out", "100%", "%b", "%3", "%%a", "%%%%a", "a%", "%j", "%a%j"])
def test_a_name_without_the_number_of_a_task_is_no_pattern(name: str) -> None:
    assert Template.of(Pattern.of(name)) is None


@given(
    st.lists(st.sampled_from(["%a", "%3a", "%12a", "%%", "%", "1", "0", "x", "%1"]), max_size=8), st.integers(0, 2**32)
)
def test_the_file_that_slurm_makes_of_a_pattern_is_its_tasks(pieces: list[str], number: int) -> None:
    pattern = "".join(["<", *pieces, "x%a>"])
    template = Template.of(Pattern.of(pattern))
    assert template
    padded = [str(number).rjust(width, "0").encode() for width in template.widths]
    name = b"".join(piece for pair in zip(template.literals, [*padded, b""], strict=True) for piece in pair)
    assert template._with(template_number(template, name)) == name


def template_number(template: Template, name: bytes) -> bytes:
    """Return the number that is read of `name`, which may be another one where digits follow it."""
    number = template.task(name)
    assert number is not None
    return str(number).encode()


TASK = Task(115, 112, 3, "n1")


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/plain", "/plain"),
        ("/%A_%a.%j", "/112_3.115"),
        ("/%3a%5j%012J", "/003001150000000115"),
        ("/%N-%9N-%n%2t%s", "/n1-n1-000batch"),
        ("/%%a%%%%%a", "/%a%%3"),
        ("/%q%5q%5%%-5j%", "/%q5q5%-5j%"),
        ("/%99999999999a", "/0000000003"),
    ],
)
def test_a_file_is_named_as_slurm_does(pattern: str, path: str) -> None:
    assert Pattern.of(pattern).path(TASK) == path


def test_without_an_array_the_number_is_slurms_own_for_none() -> None:
    assert Pattern.of("/%A_%a").path(Task(7, 7)) == "/7_4294967294"


def test_a_host_that_is_not_known_makes_no_name() -> None:
    with pytest.raises(ValueError, match="host"):
        Pattern.of("/%N").path(Task(7, 7))


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("/x", ["/x"]),
        ("/%?", ["/115", "/112"]),
        ("/%?_%?", ["/115_115", "/115_112", "/112_115", "/112_112"]),
        ("/%?%?%?%?", ["/" + "115" * 4, "/" + "112" * 4]),
        ("/%%%!", ["/%j", "/%A"]),
        ("/%%%!%?", ["/%j115", "/%A115", "/%j112", "/%A112"]),
    ],
)
def test_what_is_open_has_variants_with_the_tasks_own_ids_first(pattern: str, paths: list[str]) -> None:
    assert [variant.path(TASK) for variant in Pattern.of(pattern).variants()] == paths


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("/7/out", False),
        ("/%j/out", False),
        ("/slurm-7.out", True),
        ("/slurm-17.out", False),
        ("/slurm-7_%a.out", True),
        ("/x%j", True),
        ("/%?", True),
        ("/%a", False),
    ],
)
def test_a_name_with_the_jobs_id_is_no_other_jobs(pattern: str, names: bool) -> None:
    assert Pattern.of(pattern).names_job(7) is names


@given(st.lists(st.sampled_from(["%a", "%3a", "%j", "%N", "%?", "%!", "%%", "%", "1", "x", "%1", "%q"]), max_size=8))
def test_a_pattern_that_is_written_down_is_read_the_same(pieces: list[str]) -> None:
    pattern = Pattern.of("".join(pieces))
    again = Pattern.of(pattern.written())
    assert "".join(map(str, again.pieces)) == "".join(map(str, pattern.pieces))
