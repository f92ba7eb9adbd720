"""Requests of the universal target."""

from __future__ import annotations

import pytest

from lambd.services.scheduler.model import InvokeInput, InvokeInputError, parse_invoke_input


def test_a_request_of_the_universal_target_is_read() -> None:
    """With a payload or without."""
    text = '{"FunctionName": "f", "Qualifier": "live", "InvocationType": "Event", "Payload": "[1]"}'
    assert parse_invoke_input(text) == InvokeInput(
        function_name="f", qualifier="live", payload="[1]"
    )
    assert parse_invoke_input('{"FunctionName": "f", "InvocationType": "Event"}').payload == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "JSON syntax error", id="no JSON"),
        pytest.param("[]", "must be a JSON object", id="no object"),
        pytest.param('{"FunctionName": "f"}', "InvocationType", id="synchronous"),
        pytest.param('{"InvocationType": "Event"}', "FunctionName", id="no function"),
        pytest.param(
            '{"FunctionName": "f", "InvocationType": "Event", "LogType": "Tail"}',
            "LogType is not supported",
            id="unknown",
        ),
        pytest.param(
            '{"FunctionName": "f", "InvocationType": "Event", "Payload": {}}',
            "Payload",
            id="payload",
        ),
    ],
)
def test_other_requests_are_refused(text: str, message: str) -> None:
    """What would be ignored is refused as well."""
    with pytest.raises(InvokeInputError, match=message):
        parse_invoke_input(text)
