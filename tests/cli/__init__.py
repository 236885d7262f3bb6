"""Tests of the command line: each command against the emulator, as a newcomer types it."""
