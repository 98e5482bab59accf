"""The commands of deploy/README.md, as somebody would copy them out of it."""

import re
import textwrap
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "deploy" / "README.md").read_text(encoding="utf-8")


def commands(heading: str) -> str:
    """Return the shell commands below `heading`, in their order, without what is to be written into a file."""
    [section] = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^( *)```\n(.*?)^ *```$", section, re.MULTILINE | re.DOTALL)
    found = [textwrap.dedent(block) for _, block in blocks]
    return "".join(block for block in found if not block.startswith("PerSourcePenalty"))
