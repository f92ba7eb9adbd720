"""Function URLs: HTTP requests that become events, and what functions answer."""
