"""
DAG arguments: the operators' arguments, checked when a DAG file is parsed.

``literals`` checks what is written out in the DAG file and may be a template instead; ``checks`` checks
arguments that are no template fields, and what a run and a batch are given alike. Each function raises a
WiroUsageError that says what to write instead. Both import little: DAG files are parsed all day long. Pure:
``literals``.
"""
