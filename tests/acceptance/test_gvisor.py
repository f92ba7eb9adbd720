"""A platform whose functions have a kernel of their own: `lambd serve --driver runsc`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.acceptance.conftest import ROLE, RUNTIME, Server, wait_at_rest, zipped

pytestmark = pytest.mark.oci

_SOURCE = """
    import os, threading

    def handler(event, context):
        if event.get("fill"):
            bytearray(event["fill"] << 20)
        said = []
        thread = threading.Thread(target=said.append, args=("from a thread",))
        thread.start()
        thread.join()
        return [os.uname().release, *said]
"""


@pytest.mark.parametrize("runtime", ["runsc"])
def test_invokes_functions_on_gvisors_kernel(runtime: str, tmp_path: Path) -> None:
    """Threads work, the kernel is not the host's, and exhausted memory ends one environment."""
    server = Server(tmp_path / "data", driver=runtime)
    server.start()
    try:
        aws = server.lambda_client()
        aws.create_function(
            FunctionName="f",
            Runtime=RUNTIME,
            Role=ROLE,
            Handler="app.handler",
            Code={"ZipFile": zipped(_SOURCE)},
            MemorySize=128,
            Timeout=30,
        )
        wait_at_rest(aws, "f")
        for fill, is_too_much in ((0, False), (400, True), (0, False)):
            answer = aws.invoke(FunctionName="f", Payload=json.dumps({"fill": fill}))
            payload = json.load(answer["Payload"])
            if is_too_much:
                assert answer["FunctionError"] == "Unhandled"
                assert payload["errorType"] == "Runtime.OutOfMemory"
                assert payload["errorMessage"].endswith("signal: killed")
            else:
                # "gvisor" in newer ones.
                assert payload[0] != os.uname().release
                assert payload[1] == "from a thread"
        aws.delete_function(FunctionName="f")
        with pytest.raises(ClientError, match="ResourceNotFound"):
            aws.get_function(FunctionName="f")
    finally:
        assert server.stop() == 0
