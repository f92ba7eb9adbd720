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

    What orjson refuses is read again by `json`, which is less strict (NaN, UTF-16, deep nesting)
    and has the better messages.

    Raises:
        InvalidRequestContentError: it is not.
    """
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        _check_again(payload)


def _check_again(payload: bytes) -> None:
    try:
        json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestContentError(
            f"Could not parse request body into json: Could not parse payload into json: {error}"
        ) from None
