"""
What the emulator knows at a moment: the tasks, files, armed faults and received requests.

Entry: `World` holds everything; `run` starts tasks in it. No module knows HTTP. The time comes from `clock`,
so that a test can pass an hour without sleeping. Pure modules: `auth`, `deviation`, `faults`, `lifecycle`,
`recording` and `task`.
"""
