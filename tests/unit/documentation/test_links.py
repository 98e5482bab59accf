"""Each relative link of each page of the repository leads to a file, and to a heading where it names one."""

from pathlib import Path

import pytest

from tests.unit.documentation.links import anchors, faults, targets

CHECKOUT = Path(__file__).parents[3]
FOLDERS = (".", "deploy", "docs", "docs/**", "tests/recorded")
PAGES = sorted({file for folder in FOLDERS for file in CHECKOUT.glob(f"{folder}/*.md")})


def test_pages_that_people_begin_with_are_among_them() -> None:
    names = {str(page.relative_to(CHECKOUT)) for page in PAGES}
    assert {"README.md", "SECURITY.md", "CHANGELOG.md", "deploy/README.md", "docs/reference/settings.md"} <= names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert list(faults(page)) == []


def test_dead_links_are_told(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# One thing\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Top\n[a](other.md#one-thing) [b](other.md#two) [c](gone.md)\n[d](#top) [e](#gone)\n[f]: gone.txt\n"
    )
    assert list(faults(page)) == [
        "other.md#two: there is no such heading",
        "gone.md: there is no such file",
        "#gone: there is no such heading",
        "gone.txt: there is no such file",
    ]


def test_code_and_other_hosts_have_no_targets() -> None:
    page = '`[a](b)` [c](https://example.org/) [d](mailto:e@example.org)\n```\n[f](g)\n```\n[h](i.md "title")\n'
    assert targets(page) == ["i.md"]


def test_anchors_are_those_of_github() -> None:
    page = '# A `code`, and [a link](x.md)!\n## Same\n## Same\n```\n# comment\n```\n<a id="own"></a>\n'
    assert anchors(page) == {"a-code-and-a-link", "same", "same-1", "own"}
