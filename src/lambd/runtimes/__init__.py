"""Managed runtimes: what a runtime identifier means on this machine."""
