"""
`make test-faults`: kills, freezes and disconnects real processes, and counts what was paid.

Nothing here relies on what the provider reports. Each scenario has its own Wiro emulator, whose record
counts: tasks started, stopped, finished, still alive.
"""
