"""Leaves this folder out where its tools are missing: in the environments of `make test-matrix`."""

from __future__ import annotations

from importlib.util import find_spec

# Those run what is marked `airflow`, and nothing here is.
collect_ignore_glob = [] if find_spec("sybil") else ["test_*.py"]
