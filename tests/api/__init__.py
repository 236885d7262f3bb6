"""Tests of ``api``: what is sent, what a response means, how long to wait. No network, clock or sleep."""
