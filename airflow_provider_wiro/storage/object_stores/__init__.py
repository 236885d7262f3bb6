"""Objects of Google Cloud Storage and Azure: written under a condition, in parts, with metadata."""
