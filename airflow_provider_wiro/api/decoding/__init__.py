"""Single parts of Wiro's JSON, read tolerantly. Pure: no I/O."""
