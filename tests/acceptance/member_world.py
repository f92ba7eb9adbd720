"""A platform with one of everything, for tests that send every request member once."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from tests.acceptance.conftest import ROLE, RUNTIME, Server, wait_at_rest, zipped
from tests.acceptance.stored import Stored

ACCOUNT = "000000000000"
ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:"
LAYER_ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:"
SOURCE = """
def handler(event, context):
    print("SAID", event)
    client = context.client_context
    return {"event": event, "client": None if client is None else client.custom}
"""
# A function with versions 1 and 2, and aliases of them; another one; a layer with two versions.
FUNCTION, OTHER, LAYER = "members", "others", "members"
ALIASES = {"one": "1", "two": "2"}

# A request or a reply in AWS's shape; what was refused has the member `Error`.
Document = dict[str, Any]


class World:
    """See the module header."""

    def __init__(self, server: Server, fetched: list[str]) -> None:
        self.server = server
        # The client checks nothing: what is sent is the platform's to judge.
        self.aws: Any = server.lambda_client(parameter_validation=False)
        # Paths and queries that the platform asked S3 for.
        self.fetched = fetched
        self.stored = Stored(server.data_dir)
        self._numbers = itertools.count()

    def call(self, operation: str, request: Document) -> Document:
        """The reply, refused or not, once nothing is in transition."""
        self.stored.wait_at_rest()
        try:
            reply: Document = getattr(self.aws, xform_name(operation))(**request)
        except ClientError as error:
            return dict(error.response)
        if "EventStream" in reply:
            with contextlib.closing(reply["EventStream"]) as stream:
                reply["EventStream"] = list(stream)
        return reply

    def statement(self, policy: str, statement_id: str) -> Document:
        """The statement of an id in a policy's JSON."""
        statements: list[Document] = json.loads(policy)["Statement"]
        (found,) = (each for each in statements if each["Sid"] == statement_id)
        return found

    def new_name(self) -> str:
        """A name that nothing has."""
        return f"new-{next(self._numbers)}"

    def new_function(self, name: str | None = None) -> str:
        """Another function, with versions 1 and 2, Active."""
        name = name or self.new_name()
        self.aws.create_function(**new_function(name), Publish=True)
        wait_at_rest(self.aws, name)
        self.aws.update_function_configuration(FunctionName=name, Description="second")
        wait_at_rest(self.aws, name)
        self.aws.publish_version(FunctionName=name)
        return name

    def new_alias(self) -> str:
        """Another alias of FUNCTION, of version 1."""
        name = self.new_name()
        self.aws.create_alias(FunctionName=FUNCTION, Name=name, FunctionVersion="1")
        return name

    def new_layer(self) -> str:
        """Another layer, with one version."""
        name = self.new_name()
        self.aws.publish_layer_version(**new_layer(name))
        return name

    def new_permission(self, **arguments: str) -> str:
        """The id of another statement in FUNCTION's policy, or in that of an alias."""
        statement = self.new_name()
        self.aws.add_permission(
            FunctionName=FUNCTION,
            StatementId=statement,
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            **arguments,
        )
        return statement

    def new_layer_permission(self) -> str:
        """The id of another statement in the policy of LAYER's version 1."""
        statement = self.new_name()
        self.aws.add_layer_version_permission(
            LayerName=LAYER,
            VersionNumber=1,
            StatementId=statement,
            Action="lambda:GetLayerVersion",
            Principal="*",
        )
        return statement


def new_function(name: str) -> Document:
    """The least that CreateFunction takes."""
    return {
        "FunctionName": name,
        "Runtime": RUNTIME,
        "Role": ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped(SOURCE)},
    }


def new_layer(name: str) -> Document:
    """The least that PublishLayerVersion takes."""
    return {"LayerName": name, "Content": {"ZipFile": zipped("NAME = 'layer'")}}


@contextlib.contextmanager
def bucket(fetched: list[str]) -> Iterator[str]:
    """The URL of an S3 that has one archive under every name, and notes what is asked for."""
    data = zipped(SOURCE + "# from S3\n")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fetched.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def served_world(directory: Path) -> Iterator[World]:
    """The world, while it is served."""
    fetched: list[str] = []
    with pytest.MonkeyPatch.context() as patch, bucket(fetched) as s3:
        config = directory / "lambd.toml"
        config.write_text(f's3_endpoint_url = "{s3}"\n')
        credentials = directory / "home" / ".aws" / "credentials"
        credentials.parent.mkdir(parents=True)
        credentials.write_text("[default]\naws_access_key_id = k\naws_secret_access_key = s\n")
        patch.setenv("HOME", str(directory / "home"))
        server = Server(directory / "data", "--config", str(config), driver="process")
        server.start()
        world = World(server, fetched)
        _fill(world)
        yield world
        world.stored.close()
        assert server.stop() == 0


def _fill(world: World) -> None:
    aws = world.aws
    for name in (FUNCTION, OTHER):
        world.new_function(name)
    for alias, version in ALIASES.items():
        aws.create_alias(FunctionName=FUNCTION, Name=alias, FunctionVersion=version)
        aws.put_function_event_invoke_config(
            FunctionName=FUNCTION, Qualifier=alias, MaximumRetryAttempts=1
        )
        aws.create_function_url_config(FunctionName=FUNCTION, Qualifier=alias, AuthType="NONE")
        aws.put_provisioned_concurrency_config(
            FunctionName=FUNCTION, Qualifier=alias, ProvisionedConcurrentExecutions=1
        )
        world.new_permission(Qualifier=alias)
    for runtime, architecture in (("python3.12", "x86_64"), ("nodejs22.x", "arm64")):
        aws.publish_layer_version(
            **new_layer(LAYER),
            CompatibleRuntimes=[runtime],
            CompatibleArchitectures=[architecture],
        )
    world.new_layer()
    world.new_permission()
    world.new_layer_permission()
    aws.tag_resource(Resource=ARN + FUNCTION, Tags={"kept": "1", "removed": "2"})
    aws.put_function_concurrency(FunctionName=FUNCTION, ReservedConcurrentExecutions=5)
