"""Events as bytes: that they are JSON, checked without holding up the event loop for long.

The owner of orjson, which is several times quicker than `json`: a large event is looked at in
milliseconds.
"""

from __future__ import annotations

import json

import orjson

from lambd.invoke import json_faults
from lambd.model.errors import InvalidRequestContentError


def check_json(payload: bytes) -> None:
    """Refuse an event that is not JSON.

    What orjson refuses is read again by `json`, which takes deeper nesting and half characters, as
    AWS does, and says where the fault is.

    Raises:
        InvalidRequestContentError: it is not, or not in UTF-8.
    """
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        _check_again(payload)


def _check_again(payload: bytes) -> None:
    fault = _fault(payload)
    if fault is not None:
        raise InvalidRequestContentError(
            f"Could not parse request body into json: Could not parse payload into json: {fault}"
        )


def _fault(payload: bytes) -> str | None:
    """What is wrong with it, if anything is."""
    try:
        # Decoded here: `json` would guess UTF-16 and UTF-32 as well.
        json.loads(payload.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        return json_faults.describe_encoding(error)
    except json.JSONDecodeError as error:
        return json_faults.describe(error)
    except _ConstantError as error:
        return json_faults.describe_constant(str(error), payload)
    except RecursionError:
        return json_faults.describe_depth(payload)
    return None


class _ConstantError(ValueError):
    """NaN or an infinity, which Python alone takes for JSON."""


def _refuse_constant(name: str) -> None:
    raise _ConstantError(name)
