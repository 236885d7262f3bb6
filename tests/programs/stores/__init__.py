"""Servers that speak like Google Cloud Storage and Azure, and the program that tests against them."""
