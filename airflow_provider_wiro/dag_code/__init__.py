"""
DAG files as text: what the command line and the gallery print, to be kept and changed by people.

Nothing that a server sends becomes code.
"""
