"""The media type of a file, by its suffix or its first bytes. Pure: no I/O."""
