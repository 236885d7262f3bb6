"""Which type a file has: by its suffix, by its first bytes. Pure: no I/O."""
