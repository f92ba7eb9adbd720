"""The door: hosts, limits, routes, the platform's own pages."""
