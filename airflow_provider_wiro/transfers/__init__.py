"""Finished tasks' outputs into storage."""
