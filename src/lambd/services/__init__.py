"""The services beside Lambda on the platform's port, a slice each: api, verbs, rows, model, engine."""
