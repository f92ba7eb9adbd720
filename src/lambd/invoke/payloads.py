"""Events as bytes: that they are JSON, checked without holding up the event loop for long.

The owner of orjson, which is several times quicker than `json`: a large event is looked at in
milliseconds.
"""

from __future__ import annotations

import json

import orjson

from lambd.model.errors import InvalidRequestContentError


def check_json(payload: bytes) -> None:
    """Refuse an event that is not JSON.

    What orjson refuses is read again by `json`, which takes deeper nesting and half characters, as
    AWS does, and has the better messages.

    Raises:
        InvalidRequestContentError: it is not, or not in UTF-8.
    """
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        _check_again(payload)


def _check_again(payload: bytes) -> None:
    try:
        # Decoded here: `json` would guess UTF-16 and UTF-32 as well.
        json.loads(payload.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestContentError(
            f"Could not parse request body into json: Could not parse payload into json: {error}"
        ) from None


def _refuse_constant(name: str) -> None:
    """Refuse NaN and the infinities, which Python alone takes for JSON."""
    raise ValueError(f"{name} is no JSON value")
