"""Logs, metrics and traces; imported from anywhere above, imports only the model."""
