"""Clients for the AWS services around Lambda, at their configured endpoints."""
