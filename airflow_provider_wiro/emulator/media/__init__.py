"""
How made-up pictures, films, sounds, documents and texts are drawn and encoded.

Entry: `draw_poster` with `encode_png`, `make_film`, `make_tune`, `write_document` and `write_answer`. All
modules are pure and know nothing of models and requests: the same arguments give the same bytes.
"""
