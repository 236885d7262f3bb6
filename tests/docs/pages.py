"""The pages that people read, and the code blocks in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sybil import Document
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").glob("*.md")])


@dataclass(frozen=True)
class CodeBlock:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    source: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def code_blocks(page: Path) -> list[CodeBlock]:
    """Return the fenced blocks of a page, without MyST's directives, which Sphinx checks."""
    document = Document.parse(str(page))
    regions = FencedCodeBlockLexer(r"[^\n]*")(document)
    blocks = [
        CodeBlock(
            page,
            document.text.count("\n", 0, region.start) + 1,
            str(region.lexemes["language"]).strip(),
            str(region.lexemes["source"]),
        )
        for region in regions
    ]
    return [block for block in blocks if not block.language.startswith("{")]
