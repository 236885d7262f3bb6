"""Guarded, resumable GETs of outputs from Wiro's CDN."""
