"""The result of reading documents: a JSON or CSV file that names them."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCUMENT_TYPES = {"json": ("0.json", "application/json"), "csv": ("0.csv", "text/csv")}
"""Name and content type of the result, by its format."""


def write_document(kind: str, sources: Sequence[str], *, language: str) -> bytes:
    """Return the result for `sources`, each a URL or a SHA-256, in the format `kind`: "json" or "csv"."""
    rows = [_row(number, source) for number, source in enumerate(sources)]
    if kind == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()
    document = {"language": language, "documents": rows}
    return json.dumps(document, indent=2).encode()


def _row(number: int, source: str) -> dict[str, str]:
    # An upload comes as its SHA-256.
    kind = "url" if "://" in source else "upload"
    return {"number": str(number), "kind": kind, "source": source, "candidate": f"Candidate {source[-6:]}"}
