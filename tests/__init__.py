"""Tests of the provider; a package, so that what is in `tests/programs` runs as commands too."""
