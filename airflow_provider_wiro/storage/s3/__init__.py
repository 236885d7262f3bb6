"""
What does S3 mean? Conditional writes, checksums, and boto3's responses and errors in this package's terms.

Entry: ``refusals.S3Access.plain_errors`` around calls of boto3; ``hooks.s3_hook`` for a connection.

Pure: ``accompanying_arguments``, ``location``.
"""
