"""Parts of events, and texts with parts of events put in."""

from __future__ import annotations

import json

import pytest

from lambd.services.eventbridge.input_transformer import (
    PathError,
    TemplateError,
    check_template,
    extract,
    parse_path,
    transform,
)

LIST = [{"k": 1}, {"k": 2}, {}]
EVENT = {
    "id": "7",
    "detail-type": 'say "hi"',
    "resources": ["a", "b"],
    "detail": {"n": 1.5, "list": LIST, "none": None},
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("$", EVENT, id="all"),
        pytest.param("$.detail-type", 'say "hi"', id="dash"),
        pytest.param("$.resources[1]", "b", id="index"),
        pytest.param("$.detail.list[*].k", [1, 2], id="wildcard"),
        pytest.param("$.detail.list[0]", {"k": 1}, id="object"),
        pytest.param("$.detail.nobody", None, id="no such name"),
        pytest.param("$.resources[9]", None, id="no such index"),
        pytest.param("$.id.more", None, id="below a text"),
    ],
)
def test_a_path_leads_into_the_event(path: str, expected: object) -> None:
    """In dot notation, with indices and wildcards."""
    assert extract(parse_path(path), EVENT) == expected


@pytest.mark.parametrize("path", ["", "detail", "$detail", "$.", "$['detail']", "$.a[b]", "$..a"])
def test_other_paths_are_refused(path: str) -> None:
    """Among them what JSONPath has and EventBridge has not."""
    with pytest.raises(PathError):
        parse_path(path)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        pytest.param('{"id": <id>}', {"id": "7"}, id="text"),
        pytest.param('{"n": <n>, "all": <list>}', {"n": 1.5, "all": LIST}, id="json"),
        pytest.param('"<id> says <type>"', '7 says say "hi"', id="within a string"),
        pytest.param('"n is <n>, <first>"', "n is 1.5, {k:1}", id="json within a string"),
        pytest.param('["<none>", <none>, "<lost>", <lost>]', ["null", None, "", ""], id="absent"),
        pytest.param(r'{"<id>": "\"<id>\" \\ <"}', {"7": '"7" \\ <'}, id="escapes"),
        pytest.param(
            '{"rule": <aws.events.rule-name>, "event": <aws.events.event.json>}',
            {"rule": "r", "event": EVENT},
            id="predefined",
        ),
    ],
)
def test_a_template_is_filled_in(template: str, expected: object) -> None:
    """Within a string with text, elsewhere with JSON; the result is JSON either way."""
    paths = {
        "id": "$.id",
        "type": "$.detail-type",
        "n": "$.detail.n",
        "list": "$.detail.list",
        "first": "$.detail.list[0]",
        "none": "$.detail.none",
        "lost": "$.nowhere",
    }
    check_template(template, paths)
    made = transform(
        template,
        {name: parse_path(path) for name, path in paths.items()},
        EVENT,
        {"aws.events.rule-name": "r", "aws.events.event.json": EVENT},
    )
    assert json.loads(made) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        pytest.param('{"a": <b>}', "contains invalid placeholder b.", id="unknown"),
        pytest.param(
            "[<aws.events.event.json>]",
            "contains placeholder aws.events.event.json valid only for JSON template.",
            id="event outside of an object",
        ),
        pytest.param(
            '{"a": "<aws.events.event>"}',
            "contains placeholder aws.events.event valid only for JSON template.",
            id="event within a string",
        ),
        pytest.param("hello <id>", "is not JSON", id="no JSON"),
        pytest.param('{"a": <id>', "is not JSON", id="not closed"),
    ],
)
def test_other_templates_are_refused(template: str, message: str) -> None:
    """Before anything is stored."""
    with pytest.raises(TemplateError, match=message):
        check_template(template, ["id"])
