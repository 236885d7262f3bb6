"""What the emulator knows: tasks, files, faults and the clock."""
