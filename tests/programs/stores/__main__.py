"""`make test-stores`: installs Azurite and runs the tests that need it."""

from __future__ import annotations

import sys

import pytest

from tests.programs.stores import azure


def main() -> int:
    azure.install()
    folders = [
        "tests/batch",
        "tests/gallery",
        "tests/reuse",
        "tests/state_files",
        "tests/storage",
        "tests/transfers",
    ]
    return pytest.main(["-m", "stores", "-q", "-n", "2", *folders, *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
