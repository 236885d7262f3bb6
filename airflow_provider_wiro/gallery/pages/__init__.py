"""The pages: which task instances are on one, what is read for them, and the sections that they become."""
