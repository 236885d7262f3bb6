"""Data out of documents: a JSON or CSV file that names what was read."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.generation.inputs import Inputs

DOCUMENT_TYPES = {"json": ("0.json", "application/json"), "csv": ("0.csv", "text/csv")}
"""Name and content type of the result, by `outputType`."""


def write_document(inputs: Inputs) -> bytes:
    """Return the result in the format that `outputType` asks for."""
    rows = [_row(number, source) for number, source in enumerate(inputs.sources)]
    if inputs.text("outputType") == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()
    document = {"language": inputs.text("language"), "documents": rows}
    return json.dumps(document, indent=2).encode()


def _row(number: int, source: str) -> dict[str, str]:
    # An upload is known by its SHA-256 only; a URL says for itself what it is.
    kind = "url" if "://" in source else "upload"
    return {"number": str(number), "kind": kind, "source": source, "candidate": f"Candidate {source[-6:]}"}
