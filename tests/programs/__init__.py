"""Programs that start real servers, each run by a make target of its own; tests/README.md lists them."""
