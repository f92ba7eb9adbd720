"""An HTTP/1.1 server on plain asyncio protocols: the hot path of both the API and the Runtime API."""
