"""Speed and memory, each against a yardstick measured in the same run: `make bench`."""
