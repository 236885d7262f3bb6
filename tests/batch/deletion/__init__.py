"""Tests of the deletion of Wiro's copies."""
