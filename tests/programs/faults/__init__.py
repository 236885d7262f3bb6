"""
`make test-faults`: real processes are killed, frozen and cut off, and what became of the money is counted.

Nothing here trusts the provider's own word. Each scenario has a Wiro emulator of its own, and what counts is
what that one saw: tasks started, stopped, finished, still alive.
"""
