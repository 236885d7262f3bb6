"""Objects of stores, read by ranges of bytes: what manifests and media share."""
