"""Programs that start real servers, each run by its own make target."""
