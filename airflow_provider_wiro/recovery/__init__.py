"""What keeps a run from being paid for twice: records, and the search for lost Runs."""
