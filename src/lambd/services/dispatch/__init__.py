"""Occurrences on their way to functions: made of what is due, handed over, repeated, dead letters."""
