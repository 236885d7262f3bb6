"""Tests of the hooks, over real sockets."""
