"""Outputs into S3."""
