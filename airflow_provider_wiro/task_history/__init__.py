"""
Wiro's list of past tasks: its pages, and the walk from the newest task down.

Task/List has no filter by time, status or project, so what is searched for is found by walking. Everything
here is pure: flows, which a hook runs.
"""
