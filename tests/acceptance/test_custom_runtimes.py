"""OS-only runtimes through boto3: bootstraps in any language, and what goes wrong with them."""

from __future__ import annotations

import re
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.acceptance.conftest import CreateFunction
from tests.acceptance.packages import archive
from tests.acceptance.world import call, fail

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

PYTHON = """\
#!/usr/bin/env python3
import json, os, sys, urllib.request

base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"

def post(path, document):
    urllib.request.urlopen(base + path, json.dumps(document).encode()).close()

while True:
    with urllib.request.urlopen(base + "invocation/next") as request:
        event = json.load(request)
        invocation = "invocation/" + request.headers["Lambda-Runtime-Aws-Request-Id"]
    print("working", flush=True)
    if event == "exit":
        sys.exit(3)
    elif event == "fail":
        post(invocation + "/error", {"errorType": "Mine.Wrong", "errorMessage": "no good"})
    elif event == "show":
        post(invocation + "/response", {"env": dict(os.environ), "argv": sys.argv})
    else:
        post(invocation + "/response", event)
"""
# The loop of AWS's tutorial, in bash's own means: curl may be missing.
SHELL = """\
#!/bin/bash
set -eu
api=${AWS_LAMBDA_RUNTIME_API/://}
ask() {
  exec 5<>"/dev/tcp/$api"
  printf '%s /2018-06-01/runtime/%s HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %d\\r\\n\\r\\n%s' \\
    "$1" "$2" "${#3}" "$3" >&5
  length=0
  while IFS= read -r line <&5; line=${line%$'\\r'}; [ -n "$line" ]; do
    case ${line,,} in
      lambda-runtime-aws-request-id:*) id=${line#*: } ;;
      content-length:*) length=${line#*: } ;;
    esac
  done
  IFS= read -r -N "$length" body <&5 || true
  exec 5>&-
}
. "./${_HANDLER%.*}.sh"
while true; do
  ask GET invocation/next ""
  ask POST "invocation/$id/response" "$("${_HANDLER#*.}" "$body")"
done
"""
COMPILED = """\
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char answer[65536];

static void ask(const char *request) {
  char *api = strdup(getenv("AWS_LAMBDA_RUNTIME_API")), *colon = strchr(api, ':');
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(colon + 1))};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  *colon = 0;
  inet_pton(AF_INET, api, &to.sin_addr);
  if (connect(fd, (struct sockaddr *)&to, sizeof to)) exit(9);
  write(fd, request, strlen(request));
  answer[read(fd, answer, sizeof answer - 1)] = 0;
  close(fd);
}

int main(void) {
  char request[1024], id[64];
  for (;;) {
    ask("GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n");
    sscanf(strcasestr(answer, "request-id: "), "%*s %63s", id);
    snprintf(request, sizeof request,
             "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\\r\\nHost: x\\r\\n"
             "Content-Length: 10\\r\\n\\r\\n\\"compiled\\"", id);
    ask(request);
  }
}
"""


def custom(
    create: CreateFunction, files: dict[str, str | bytes], *, mode: int = 0o755, **arguments: Any
) -> str:
    """Create a function from files."""
    code = archive(files, mode=mode)
    settings = {"Runtime": "provided.al2023", "Handler": "hello.handler", "Timeout": 10}
    return create("", Code={"ZipFile": code}, **{**settings, **arguments})


@pytest.mark.parametrize("runtime", ["provided.al2023", "provided.al2"])
def test_a_script_with_an_interpreter_is_a_runtime(
    aws: LambdaClient, create: CreateFunction, runtime: str
) -> None:
    """Results, errors passed through untouched, and a warm second invocation."""
    name = custom(create, {"bootstrap": PYTHON}, Runtime=runtime)
    assert call(aws, name, {"a": 1}) == {"a": 1}
    assert fail(aws, name, "fail") == {"errorType": "Mine.Wrong", "errorMessage": "no good"}
    assert call(aws, name, 2) == 2


def test_a_shell_script_is_a_runtime(aws: LambdaClient, create: CreateFunction) -> None:
    """AWS's tutorial: the handler names a file and a function."""
    hello = 'handler() { echo "{\\"echo\\": $1}"; }\n'
    name = custom(create, {"bootstrap": SHELL, "hello.sh": hello})
    assert call(aws, name, [1, 2]) == {"echo": [1, 2]}
    assert call(aws, name, "again") == {"echo": "again"}


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_a_compiled_program_is_a_runtime(
    aws: LambdaClient, create: CreateFunction, tmp_path: Path
) -> None:
    """Any program that the system can run."""
    (tmp_path / "main.c").write_text("#define _GNU_SOURCE\n" + COMPILED)
    subprocess.run(
        ["gcc", "-w", "-o", str(tmp_path / "bootstrap"), str(tmp_path / "main.c")], check=True
    )
    name = custom(create, {"bootstrap": (tmp_path / "bootstrap").read_bytes()})
    assert [call(aws, name), call(aws, name)] == ["compiled", "compiled"]


def test_a_layer_brings_the_runtime(aws: LambdaClient, create: CreateFunction) -> None:
    """`/opt/bootstrap` is started where the code has none."""
    layer = aws.publish_layer_version(
        LayerName=f"layer-{uuid.uuid4().hex[:12]}",
        Content={"ZipFile": archive({"bootstrap": PYTHON}, mode=0o755)},
    )["LayerVersionArn"]
    name = custom(create, {"data": ""}, Layers=[layer])
    assert call(aws, name, "show")["argv"] == ["/opt/bootstrap"]


def test_shows_the_variables_that_aws_shows(aws: LambdaClient, create: CreateFunction) -> None:
    """There is no AWS_EXECUTION_ENV; a handler is handed on as it is."""
    name = custom(create, {"bootstrap": PYTHON}, Handler="any/thing at all".replace(" ", "-"))
    seen = call(aws, name, "show")["env"]
    assert "AWS_EXECUTION_ENV" not in seen
    assert seen["_HANDLER"] == "any/thing-at-all"
    assert seen["PATH"] == "/usr/local/bin:/usr/bin/:/bin:/opt/bin"
    assert seen["LAMBDA_TASK_ROOT"] == "/var/task"
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == name


@pytest.mark.parametrize(
    ("files", "mode", "message"),
    [
        pytest.param(
            {"other": "x"},
            0o755,
            "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
            id="missing",
        ),
        pytest.param(
            {"bootstrap": PYTHON},
            0o644,
            "fork/exec /var/task/bootstrap: permission denied",
            id="not executable",
        ),
        pytest.param(
            {"bootstrap": "#!/no/such/shell\n"},
            0o755,
            "fork/exec /var/task/bootstrap: no such file or directory",
            id="no interpreter",
        ),
        pytest.param(
            {"bootstrap": "echo no first line\n"},
            0o755,
            "fork/exec /var/task/bootstrap: exec format error",
            id="no format",
        ),
    ],
)
def test_a_bootstrap_that_cannot_be_started_is_named(
    aws: LambdaClient,
    create: CreateFunction,
    files: dict[str, str | bytes],
    mode: int,
    message: str,
) -> None:
    """AWS's words, with the id of the request."""
    error = fail(aws, custom(create, files, mode=mode))
    assert error["errorType"] == "Runtime.InvalidEntrypoint"
    found = re.fullmatch(r"RequestId: ([0-9a-f-]{36}) Error: (.*)", error["errorMessage"])
    assert found is not None, error
    assert found[2] == message


def test_a_crash_is_a_function_error_and_the_next_invocation_works(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """The bootstrap ends in the middle of an invocation and is started again."""
    name = custom(create, {"bootstrap": PYTHON})
    assert call(aws, name, 1) == 1
    error = fail(aws, name, "exit")
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Error: Runtime exited with error: exit status 3")
    assert call(aws, name, 2) == 2


def test_a_bootstrap_that_ends_at_once_fails_its_init(
    aws: LambdaClient, create: CreateFunction
) -> None:
    """It never asks for an invocation."""
    error = fail(aws, custom(create, {"bootstrap": "#!/bin/sh\nexit 5\n"}))
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Error: Runtime exited with error: exit status 5")
