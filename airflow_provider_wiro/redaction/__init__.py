"""Secrets are masked, and foreign text stays on its line, in logs, XComs and records."""
