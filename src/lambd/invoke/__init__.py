"""The data plane: one invocation from resolution to report."""
