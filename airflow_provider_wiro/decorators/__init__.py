"""TaskFlow decorators: a Python function's return value is what a run, or a batch, is given."""
