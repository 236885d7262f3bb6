"""Speed and memory, each compared with a baseline from the same run: `make bench`."""
