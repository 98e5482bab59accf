"""Cells of the CSV that no spreadsheet takes for formulas, whatever it cuts them at."""

import csv
import io

import pytest

from jobs.admin.export import defused


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=cmd()", "'=cmd()"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\ttab", "'\ttab"),
        ("\rreturn", "'\rreturn"),
        ("\nline", "'\nline"),
        ("==twice", "'==twice"),
        ("  =behind blanks", "  '=behind blanks"),
        ("\u00a0\u3000=behind wide blanks", "\u00a0\u3000'=behind wide blanks"),
        ("\ufeff\u200b\x00=behind nothing visible", "\ufeff\u200b\x00'=behind nothing visible"),
        ('"=behind a quote', "\"'=behind a quote"),
        ("a;=cmd()", "a;'=cmd()"),
        ("a,+1", "a,'+1"),
        ("a|-1", "a|'-1"),
        ("a\t@x", "a\t'@x"),
        ("a\n=x", "a\n'=x"),
        ("a\r\n=x", "a\r\n'=x"),
        ("a\u2028=x", "a\u2028'=x"),
        ('a; "=x', "a; \"'=x"),
        ("a;;=x;b;=y", "a;;'=x;b;'=y"),
        ("\uff1dx", "'\uff1dx"),
        ("\uff0bx", "'\uff0bx"),
        ("a;\uff0dx", "a;'\uff0dx"),
        ("\uff20x", "'\uff20x"),
        ("\ufe66x", "'\ufe66x"),
        ("\u207ax", "'\u207ax"),
        ("=1,=2", "'=1,'=2"),
    ],
)
def test_a_sign_that_begins_a_cell_gets_an_apostrophe(text: str, written: str) -> None:
    assert defused(text) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a=b",
        "/C=PL/O=Grid/CN=Alice",
        "a-b",
        "user@example.org",
        "a; b",
        "a,b|c",
        "'=quoted by its author",
        "x =1",
        "é",
    ],
)
def test_a_text_without_one_stays_as_it_is(text: str) -> None:
    assert defused(text) == text


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize("text", ["=x", "a;=x", "a,=x", "a\t=x", "a|=x", 'a;"=x', 'a"|" =x', "a\n=x", "a;\t,=x"])
def test_no_cell_of_the_file_begins_with_a_formula_at_any_delimiter(text: str, delimiter: str) -> None:
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerow(["1", defused(text), "2"])
    cells = [cell for row in csv.reader(io.StringIO(file.getvalue()), delimiter=delimiter) for cell in row]
    assert [cell for cell in cells if cell.strip(' \t"').startswith("=")] == []
