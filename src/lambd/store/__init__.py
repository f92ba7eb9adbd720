"""Durable state: the only package that speaks SQL or owns files of record."""
