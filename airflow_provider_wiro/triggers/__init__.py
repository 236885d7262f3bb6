"""Waiting for a Wiro task in the triggerer."""
