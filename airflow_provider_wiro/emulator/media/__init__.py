"""Made-up outputs: pictures, films, sound, documents and text, each written from scratch."""
