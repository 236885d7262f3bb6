"""Waiting for Wiro tasks that something else started."""
