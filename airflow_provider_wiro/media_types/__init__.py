"""
The media type of a file: by its suffix (``suffixes``) or by its first bytes (``signatures``).

All modules are pure. The tables are the provider's own, so that two workers send a file with the same type.
"""
