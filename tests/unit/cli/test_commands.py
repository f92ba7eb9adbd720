"""The client commands against an API that the test answers for (boto3's own stubber)."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from click.testing import CliRunner, Result

from lambd.cli.api import Api
from lambd.cli.commands import parse_since
from lambd.cli.errors import UnusableError
from lambd.cli.exit_status import ExitStatus
from lambd.cli.main import cli
from lambd.cli.outside import Outside

URL = "http://127.0.0.1:4566"
NOW = 1_700_000_000.0


@dataclass
class Answers:
    """The stubbed API and how the command line reaches it."""

    functions: Stubber
    logs: Stubber
    outside: Outside

    def run(self, *arguments: str, stdin: bytes | None = None) -> Result:
        """Run `lambd ARGUMENTS`."""
        return CliRunner().invoke(cli, arguments, obj=self.outside, input=stdin)


@pytest.fixture
def answers() -> Iterator[Answers]:
    """Stubs that fail the test when a call was not expected, or did not come."""
    keys: dict[str, str] = {
        "region_name": "us-east-1",
        "aws_access_key_id": "a",
        "aws_secret_access_key": "b",
    }
    functions = boto3.client("lambda", endpoint_url=URL, **keys)  # type: ignore[call-overload]
    logs = boto3.client("logs", endpoint_url=URL, **keys)  # type: ignore[call-overload]

    def connect(endpoint_url: str, environ: Mapping[str, str]) -> Api:
        del environ
        return Api(functions, logs, endpoint_url)

    outside = Outside(environ={}, connect=connect, clock=lambda: NOW)
    with Stubber(functions) as functions_stub, Stubber(logs) as logs_stub:
        yield Answers(functions_stub, logs_stub, outside)
        functions_stub.assert_no_pending_responses()
        logs_stub.assert_no_pending_responses()
    functions.close()
    logs.close()


def answer_invoke(
    answers: Answers, payload: bytes, expected: Mapping[str, Any], **members: object
) -> None:
    """Expect one Invoke and answer it."""
    body = StreamingBody(io.BytesIO(payload), len(payload))
    response = {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": body, **members}
    parameters = {"FunctionName": "f", "LogType": "None", "Payload": b"", **expected}
    answers.functions.add_response("invoke", response, parameters)


def test_invoke_prints_the_payload(answers: Answers) -> None:
    """The answer goes to stdout as it came."""
    answer_invoke(answers, b'{"ok": true}', {"Payload": b'{"a": 1}'})
    result = answers.run("invoke", "f", "--payload", '{"a": 1}')
    assert (result.exit_code, result.stdout) == (ExitStatus.OK, '{"ok": true}\n')


def test_invoke_reads_the_payload_from_a_file(answers: Answers, tmp_path: Path) -> None:
    """`@FILE` as curl has it."""
    (tmp_path / "event.json").write_bytes(b"[1]")
    answer_invoke(answers, b"1", {"Payload": b"[1]"})
    assert answers.run("invoke", "f", "--payload", f"@{tmp_path}/event.json").exit_code == 0


def test_invoke_reads_the_payload_from_stdin(answers: Answers) -> None:
    """`-` as many programs have it."""
    answer_invoke(answers, b"1", {"Payload": b"[2]"})
    assert answers.run("invoke", "f", "--payload", "-", stdin=b"[2]").exit_code == 0


def test_invoke_refuses_a_file_that_is_not_there(answers: Answers) -> None:
    """Nothing is invoked with a payload that nobody meant."""
    result = answers.run("invoke", "f", "--payload", "@/nowhere.json")
    assert result.exit_code == ExitStatus.USAGE
    assert "/nowhere.json: No such file" in result.stderr


def test_invoke_tells_a_function_error_by_its_status(answers: Answers) -> None:
    """The error's payload is data, that it is one is talk and an exit status."""
    answer_invoke(answers, b'{"errorType": "E"}', {}, FunctionError="Unhandled")
    result = answers.run("invoke", "f")
    assert result.exit_code == ExitStatus.FUNCTION_ERROR
    assert result.stdout == '{"errorType": "E"}\n'
    assert "failed (Unhandled)" in result.stderr


def test_invoke_shows_the_log_on_stderr(answers: Answers) -> None:
    """`--log` asks for the tail and keeps it out of the data."""
    tail = base64.b64encode(b"START\nEND\n").decode()
    answer_invoke(answers, b"1", {"LogType": "Tail"}, LogResult=tail)
    result = answers.run("invoke", "f", "--log")
    assert (result.stdout, result.stderr) == ("1\n", "START\nEND\n")


def test_invoke_as_json(answers: Answers) -> None:
    """One object with everything the answer has; the qualifier is passed on."""
    answer_invoke(answers, b'{"ok": true}', {"Qualifier": "7"}, ExecutedVersion="7")
    result = answers.run("invoke", "f", "--qualifier", "7", "--output", "json")
    assert json.loads(result.stdout) == {
        "statusCode": 200,
        "executedVersion": "7",
        "functionError": None,
        "payload": {"ok": True},
        "log": None,
    }


def test_a_refusal_is_one_line_and_a_status(answers: Answers) -> None:
    """AWS's code and message, no traceback."""
    answers.functions.add_client_error("invoke", "ResourceNotFoundException", "Function not found")
    result = answers.run("invoke", "f")
    assert result.exit_code == ExitStatus.ERROR
    assert result.stderr == "Error: ResourceNotFoundException: Function not found\n"


def function(name: str, **members: Any) -> dict[str, Any]:
    """A configuration as the API gives it."""
    return {
        "FunctionName": name,
        "Runtime": "python3.11",
        "Handler": "app.handler",
        "MemorySize": 128,
        "Timeout": 3,
        "LastModified": "2026-01-01T00:00:00.000+0000",
        **members,
    }


def expect_page(answers: Answers, *functions: dict[str, Any], marker: str | None = None) -> None:
    """Expect a page of the listing, and the question for the state of each."""
    listed = [{"FunctionName": each["FunctionName"]} for each in functions]
    parameters = {} if marker is None else {"Marker": marker}
    answers.functions.add_response(
        "list_functions",
        {"Functions": listed, **({"NextMarker": "m"} if marker is None else {})},
        parameters,
    )
    for each in functions:
        name = {"FunctionName": each["FunctionName"]}
        answers.functions.add_response("get_function_configuration", each, name)


def test_functions_lists_every_page(answers: Answers) -> None:
    """Paging is ours to do."""
    expect_page(answers, function("a", State="Active"))
    expect_page(answers, function("b", State="Pending"), marker="m")
    lines = answers.run("functions").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "a", "b"]
    assert [line.split()[1] for line in lines] == ["STATE", "Active", "Pending"]
    assert "128 MB" in lines[1]


def test_functions_tells_why_one_cannot_run(answers: Answers) -> None:
    """The reason says how to mend it."""
    expect_page(answers, function("a", State="Failed", StateReason="No Ruby: install it"))
    expect_page(answers, marker="m")
    assert "a: No Ruby: install it" in answers.run("functions").stderr


def test_functions_as_json(answers: Answers) -> None:
    """The configurations as the API gives them."""
    expect_page(answers, function("a", State="Active"))
    expect_page(answers, marker="m")
    found = json.loads(answers.run("functions", "--output", "json").stdout)
    assert found == [function("a", State="Active")]


def expect_group(answers: Answers, group: str) -> None:
    """Expect the question for a function's log group."""
    answers.functions.add_response(
        "get_function_configuration",
        {"FunctionName": "f", "LoggingConfig": {"LogGroup": group}},
        {"FunctionName": "f"},
    )


def log_page(*events: tuple[str, float, str]) -> dict[str, Any]:
    """A page of FilterLogEvents: id, seconds after NOW, message."""
    return {
        "events": [
            {
                "eventId": id_,
                "timestamp": int((NOW + after_s) * 1000),
                "logStreamName": "s",
                "message": message,
            }
            for id_, after_s, message in events
        ]
    }


def test_logs_prints_the_lines_since_then(answers: Answers) -> None:
    """The function's own group, from the time asked for."""
    expect_group(answers, "/mine")
    answers.logs.add_response(
        "filter_log_events",
        log_page(("1", -60, "START\n"), ("2", -59, "END\n")),
        {"logGroupName": "/mine", "startTime": int((NOW - 7200) * 1000)},
    )
    result = answers.run("logs", "f", "--since", "2h")
    assert result.stdout == "2023-11-14T22:12:20.000Z START\n2023-11-14T22:12:21.000Z END\n"


def test_logs_of_a_function_that_never_ran_are_empty(answers: Answers) -> None:
    """Its group is not there yet."""
    expect_group(answers, "/aws/lambda/f")
    answers.logs.add_client_error("filter_log_events", "ResourceNotFoundException", "no group")
    result = answers.run("logs", "f")
    assert (result.exit_code, result.stdout) == (0, "")


def test_logs_follow_shows_each_line_once(answers: Answers) -> None:
    """The next look starts at the newest line, whose like may still be coming."""
    expect_group(answers, "/g")
    answers.logs.add_response("filter_log_events", log_page(("1", -2, "a"), ("2", -1, "b")))
    again = log_page(("2", -1, "b"), ("3", -1, "c"), ("4", 0, "d"))
    newest = {"logGroupName": "/g", "startTime": int((NOW - 1) * 1000)}
    answers.logs.add_response("filter_log_events", again, newest)
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 2:
            raise KeyboardInterrupt

    outside = Outside(environ={}, connect=answers.outside.connect, clock=lambda: NOW, sleep=sleep)
    result = CliRunner().invoke(cli, ["logs", "f", "--follow"], obj=outside)
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        pytest.param("30s", NOW - 30, id="seconds"),
        pytest.param("1d", NOW - 86400, id="days"),
        pytest.param("2023-11-14T22:00:00Z", 1_699_999_200, id="UTC"),
        pytest.param("2023-11-14T22:00:00", 1_699_999_200, id="no zone is UTC"),
    ],
)
def test_since(text: str, expected_s: float) -> None:
    """A duration counts back from now, a time is a time."""
    assert int(expected_s * 1000) == parse_since(text, NOW)


def test_since_refuses_the_rest() -> None:
    """The message says what would do."""
    with pytest.raises(UnusableError, match="such as 10m"):
        parse_since("yesterday", NOW)
