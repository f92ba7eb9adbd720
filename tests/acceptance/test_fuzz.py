"""Requests that nobody should send: random and mutated ones, over raw HTTP.

Whatever comes, the platform answers with an error of the caller's (or a clean 501), and a refused
request has changed nothing that is stored.
"""

from __future__ import annotations

import base64
import http.client
import json
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.acceptance.conftest import ROLE, RUNTIME, Server, zipped

from lambd.wire.service_model import load_model

_REQUESTS = 6_000
_SEED = 20_260_101
_TEXTS = [
    "",
    "fn",
    "fn:$LATEST",
    "fn:1",
    "nowhere",
    "x" * 300,
    "ä\u0000\U0001f600",
    "../../etc/passwd",
    "arn:aws:lambda:us-east-1:000000000000:function:fn",
    "arn:aws:lambda:eu-west-1:123456789012:function:fn:live",
    "$LATEST",
    "-1",
    "9" * 40,
    "%00%ff",
]


class Stored:
    """A second connection to the platform's database."""

    def __init__(self, data_dir: Path) -> None:
        path = data_dir / "lambd.sqlite3"
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)

    def settle(self) -> int:
        """Wait until nothing is in transition; a number that changes with every commit."""
        deadline = time.monotonic() + 20
        query = (
            "SELECT count(*) FROM function_versions "
            "WHERE state = 'Pending' OR update_status = 'InProgress'"
        )
        while self._connection.execute(query).fetchone()[0]:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def value(chance: random.Random, depth: int = 0) -> object:
    """Any JSON value."""
    kind = chance.randrange(8 if depth < 3 else 5)
    if kind == 5:
        return [value(chance, depth + 1) for _ in range(chance.randrange(3))]
    if kind >= 6:
        return {chance.choice(_TEXTS): value(chance, depth + 1) for _ in range(chance.randrange(3))}
    return chance.choice(
        [None, True, 0, -1, 2**63, 1.5, chance.choice(_TEXTS), base64.b64encode(b"x").decode()]
    )


def mutated(chance: random.Random, members: dict[str, object]) -> bytes:
    """A valid document with one or two things wrong, or no document at all."""
    changed = dict(members)
    for _ in range(chance.randrange(1, 3)):
        key = chance.choice(list(changed) or ["x"])
        if chance.random() < 0.3:
            changed.pop(key, None)
        else:
            changed[key] = value(chance)
    text = json.dumps(changed).encode("utf-8", "replace")
    return text[: chance.randrange(len(text))] if chance.random() < 0.1 else text


def requests(chance: random.Random) -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    """Requests for all operations: method, target, headers, body."""
    valid: dict[str, object] = {
        "FunctionName": "made",
        "Runtime": RUNTIME,
        "Role": ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": base64.b64encode(zipped("x = 1\n")).decode()},
        "ZipFile": base64.b64encode(zipped("x = 2\n")).decode(),
        "Timeout": 3,
        "MemorySize": 128,
        "Environment": {"Variables": {"AB": "c"}},
        "Layers": [],
        "Tags": {"k": "v"},
        "Name": "alias",
        "FunctionVersion": "1",
        "StatementId": "s",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
        "ReservedConcurrentExecutions": 5,
        "MaximumRetryAttempts": 1,
        "AuthType": "NONE",
        "Content": {"ZipFile": base64.b64encode(zipped("x = 3\n")).decode()},
    }
    operations = [o for o in load_model("lambda").operations.values() if "Invoke" not in o.name[:6]]
    for _ in range(_REQUESTS):
        operation = chance.choice(operations)
        path = operation.uri
        while "{" in path:
            before, _, rest = path.partition("{")
            path = before + quote(chance.choice(_TEXTS) or "x", safe="") + rest.partition("}")[2]
        if chance.random() < 0.3:
            separator = "&" if "?" in path else "?"
            name = chance.choice(["Qualifier", "MaxItems", "Marker", "RevisionId", "x"])
            path += f"{separator}{name}={quote(chance.choice(_TEXTS), safe='')}"
        headers = {"Content-Type": chance.choice(["application/json", "text/plain", ""])}
        method = operation.http_method if chance.random() < 0.95 else "PATCH"
        yield method, path, headers, mutated(chance, valid)


@pytest.mark.slow
@pytest.mark.oci
@pytest.mark.timeout(120)
def test_refused_requests_change_nothing_and_are_never_our_fault(tmp_path: Path) -> None:
    """No 5xx but 501, and no commit behind an answer of 400 and above."""
    server = Server(tmp_path / "data")
    server.start()
    stored = Stored(server.data_dir)
    aws = server.lambda_client()
    aws.create_function(
        FunctionName="fn",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped("def handler(e, c):\n    return e\n")},
    )
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    before = stored.settle()
    seen: dict[int, int] = {}
    for request in requests(random.Random(_SEED)):
        method, target, headers, body = request
        connection.request(method, target, body, headers)
        reply = connection.getresponse()
        text = reply.read()
        seen[reply.status] = seen.get(reply.status, 0) + 1
        assert reply.status < 500 or reply.status == 501, (request, text)
        after = stored.settle()
        if reply.status >= 400:
            assert after == before, (request, reply.status, text)
        before = after
    connection.close()
    stored.close()
    assert seen.get(400, 0) > 100, seen
    assert seen.get(404, 0) > 20, seen
    assert sum(n for status, n in seen.items() if status < 300) > 100, seen
    assert server.stop() == 0
