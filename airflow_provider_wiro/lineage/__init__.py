"""What OpenLineage is given about Wiro's tasks. Imported only where an OpenLineage provider asks for it."""
