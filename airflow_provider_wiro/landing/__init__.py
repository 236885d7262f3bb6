"""The engine of the transfers and of the batch: a task's outputs into storage, whole and verified."""
