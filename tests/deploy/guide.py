"""The commands of the operators' guide and of the page about upgrades, as somebody would copy them out of them."""

import re
import textwrap
from pathlib import Path

_DOCS = Path(__file__).parents[2] / "docs"
TEXT = "".join((_DOCS / page).read_text(encoding="utf-8") for page in ("operators-guide.md", "upgrade.md"))


def commands(heading: str) -> str:
    """Return the shell commands below `heading`, in their order, without what is to be written into a file."""
    [section] = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^##? |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^( *)```sh\n(.*?)^ *```$", section, re.MULTILINE | re.DOTALL)
    return "".join(textwrap.dedent(block) for _, block in blocks)
