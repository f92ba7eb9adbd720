"""Isolation: knows processes, mounts and limits, not functions; trusts nothing inside."""
