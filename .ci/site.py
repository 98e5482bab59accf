"""A hook of MkDocs: what links to a file of the repository beside docs/ becomes plain text in the site.

On GitHub, and in a checkout, such links work; the site has no copy of the file, and its name says where it is.
"""

import logging
import re
from pathlib import Path
from typing import Any

_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)#\s:]+)(?:#[^)\s]*)?\)")
_log = logging.getLogger("mkdocs.hooks.site")  # below MkDocs's own: `strict` counts its warnings


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Return the page's Markdown without links that lead out of docs/; warn of those that lead to no file."""
    docs = Path(config.docs_dir)
    folder = Path(page.file.abs_src_path).parent

    def plain(link: re.Match[str]) -> str:
        target = (folder / link["target"]).resolve()
        if target.is_relative_to(docs):
            return link[0]
        if not target.exists():
            _log.warning("%s links to %s, which does not exist", page.file.src_uri, link["target"])
        return link["text"]

    return _LINK.sub(plain, markdown)
