"""The control plane: typed functions that change rows and never start a process."""
