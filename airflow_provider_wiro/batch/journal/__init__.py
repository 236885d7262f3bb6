"""The write-ahead journal of a batch: what is in it, where it is kept, how it is replayed."""
