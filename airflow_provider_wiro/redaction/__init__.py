"""Masks secrets, and escapes foreign text, in logs, XComs and records."""
