"""Speaking with S3: names of places, conditional writes, checksums, refusals."""
