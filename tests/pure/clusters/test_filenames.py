"""Which of a directory's files is which task's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.filenames import Template


def task(pattern: str, name: str) -> int | None:
    template = Template.of(pattern.encode())
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


@pytest.mark.parametrize("name", ["slurm-19.out", "100%", "%b", "%3", "%%a", "%123456789012a", "a%"])
def test_a_name_without_the_number_of_a_task_is_no_pattern(name: str) -> None:
    assert Template.of(name.encode()) is None


@given(
    st.lists(st.sampled_from(["%a", "%3a", "%12a", "%%", "%", "1", "0", "x", "%1"]), max_size=8), st.integers(0, 2**32)
)
def test_the_file_that_slurm_makes_of_a_pattern_is_its_tasks(pieces: list[str], number: int) -> None:
    pattern = "".join(["<", *pieces, "x%a>"])
    template = Template.of(pattern.encode())
    assert template
    padded = [str(number).rjust(width, "0").encode() for width in template.widths]
    name = b"".join(piece for pair in zip(template.literals, [*padded, b""], strict=True) for piece in pair)
    assert template._with(template_number(template, name)) == name


def template_number(template: Template, name: bytes) -> bytes:
    """Return the number that is read of `name`, which may be another one where digits follow it."""
    number = template.task(name)
    assert number is not None
    return str(number).encode()
