"""`make docs`: the site of docs/ is built without a warning, and a link that leads nowhere breaks it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]


def build(checkout: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of `checkout` into `site`, as `make docs` does."""
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(site)]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, check=False)


def test_site_is_built_without_a_warning(tmp_path: Path) -> None:
    done = build(CHECKOUT, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    pages = {file.relative_to(CHECKOUT / "docs").with_suffix(".html") for file in (CHECKOUT / "docs").rglob("*.md")}
    assert {page for page in pages if not (tmp_path / page).exists()} == set()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that has one page, and the configuration of the site."""
    (tmp_path / "docs").mkdir()
    (tmp_path / ".ci").mkdir()
    shutil.copy(CHECKOUT / ".ci" / "site.py", tmp_path / ".ci")
    configuration = (CHECKOUT / "mkdocs.yml").read_text().partition("\nnav:")[0]
    (tmp_path / "mkdocs.yml").write_text(configuration)
    (tmp_path / "elsewhere.sh").touch()
    return tmp_path


def test_links_that_lead_nowhere_break_the_site(checkout: Path) -> None:
    dead = ["missing.md", "#nowhere", "index.md#neither", "/index.md", "../missing.sh"]
    links = " ".join(f"[a]({target})" for target in dead)
    (checkout / "docs" / "index.md").write_text(f"# A page\n\n{links}\n")
    done = build(checkout, checkout / "site")
    assert done.returncode != 0
    warnings = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    assert {target for target in dead if not any(target in line for line in warnings)} == set()


def test_link_to_a_file_beside_the_pages_is_text_in_the_site(checkout: Path) -> None:
    (checkout / "docs" / "index.md").write_text("# A page\n\nSee [the script](../elsewhere.sh#L1), [above](#a-page).\n")
    done = build(checkout, checkout / "site")
    assert done.returncode == 0, done.stderr
    assert 'See the script, <a href="#a-page">above</a>' in (checkout / "site" / "index.html").read_text()
