"""The operators' arguments, checked when a DAG file is parsed."""
