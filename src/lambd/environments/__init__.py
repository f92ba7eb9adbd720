"""Execution environments: one sandbox and one Runtime API session each, pooled by deployment."""
