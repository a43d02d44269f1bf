"""Makes pages of the site from files at the top of the repository: README.md and CLAIMS.md.

Links in them point to files of the repository. On the site, those to pages under docs/ lead to the
page, and all others to the file's name without a link.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {"index.md": "README.md", "claims.md": "CLAIMS.md"}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie outside docs/."""
    for page, source in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_links(text)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """In pages of docs/, links to files outside docs/ become the file's name."""
    return LINK.sub(
        lambda found: _outside(found) if found[3].startswith("../") else found[0], markdown
    )


def _links(text: str) -> str:
    return LINK.sub(_link, text)


def _link(found: re.Match[str]) -> str:
    target, _, anchor = found[3].partition("#")
    if "://" in target or not target:
        return found[0]
    at = f"#{anchor}" if anchor else ""
    if target in PAGES.values():
        page = next(page for page, source in PAGES.items() if source == target)
        return f"{found[1]}[{found[2]}]({page}{at})"
    if target.startswith("docs/"):
        return f"{found[1]}[{found[2]}]({target.removeprefix('docs/')}{at})"
    return _outside(found)


def _outside(found: re.Match[str]) -> str:
    name = found[3].lstrip("./")
    return found[2] if found[2].strip("`") == name else f"{found[2]} (`{name}`)"
