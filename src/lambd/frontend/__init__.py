"""HTTP in, HTTP out; the only package that knows both the wire and the services."""
