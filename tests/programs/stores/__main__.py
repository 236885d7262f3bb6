"""`make test-stores`: installs Azurite and runs the tests that need it."""

from __future__ import annotations

import sys

import pytest

from tests.programs.stores import azure


def main() -> int:
    azure.install()
    return pytest.main(["-m", "stores", "-q", "tests/transfers/stores", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
