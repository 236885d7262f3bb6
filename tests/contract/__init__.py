"""A server that violates HTTP and the API on request, and what must survive it."""
