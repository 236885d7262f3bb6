"""Tests of the provider; a package, so that `tests.system` and `tests.matrix` also run as commands."""
