"""Where bytes are stored: what a path or URI names (``location``), and the files themselves."""
