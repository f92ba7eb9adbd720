"""Lambda's operations: the table of handlers, what they are called with, what is refused."""
