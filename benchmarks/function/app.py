"""The function that is measured: as little as a function can do."""

import time


def handler(event: object, context: object) -> dict[str, bool]:
    """Answer the same whatever comes, at once unless told to take its time."""
    del context
    if isinstance(event, dict) and "sleep_s" in event:
        time.sleep(event["sleep_s"])
    return {"ok": True}
