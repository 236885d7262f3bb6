"""A server that keeps to HTTP and to the contract only when it is told to, and what must survive it."""
