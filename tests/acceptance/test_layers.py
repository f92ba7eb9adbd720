"""Layers through boto3: their operations, and functions that use what is in them."""

from __future__ import annotations

import concurrent.futures
import json
import stat
import urllib.request
import uuid
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.acceptance.conftest import (
    ROLE,
    RUNTIME,
    CreateFunction,
    Server,
    wait_at_rest,
    zipped,
)
from tests.acceptance.world import call

if TYPE_CHECKING:
    from pathlib import Path

    from types_boto3_lambda import LambdaClient

ARN = "arn:aws:lambda:us-east-1:000000000000:layer:"
SHOW = "import shared\ndef handler(event, context):\n    return shared.NAME\n"


def archive(files: dict[str, str], *, mode: int = 0o644) -> bytes:
    """A layer's archive: paths and texts."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o100000 | mode) << 16
            made.writestr(info, text)
    return buffer.getvalue()


def make_function(aws: LambdaClient, source: str, **arguments: Any) -> str:
    """Create a function on whatever platform, and wait until it is active."""
    name = f"fn-{uuid.uuid4().hex[:12]}"
    request: dict[str, Any] = {
        "FunctionName": name,
        "Runtime": RUNTIME,
        "Role": ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped(source)},
        **arguments,
    }
    aws.create_function(**request)
    wait_at_rest(aws, name)
    return name


def publish(aws: LambdaClient, name: str, files: dict[str, str], **arguments: Any) -> str:
    """Publish a layer version and return its ARN."""
    mode = arguments.pop("mode", 0o644)
    reply = aws.publish_layer_version(
        LayerName=name, Content={"ZipFile": archive(files, mode=mode)}, **arguments
    )
    return reply["LayerVersionArn"]


def module(name: str) -> dict[str, str]:
    """A layer with a Python module `shared`."""
    return {"python/shared.py": f"NAME = {name!r}\n"}


def refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str, str]:
    """Status, error code and message."""
    response: Any = error.value.response
    described = response["Error"]
    return response["ResponseMetadata"]["HTTPStatusCode"], described["Code"], described["Message"]


@pytest.fixture
def layer() -> str:
    """A layer name of the test's own."""
    return f"layer-{uuid.uuid4().hex[:12]}"


@pytest.fixture(params=["crun", "process"])
def any_driver(
    request: pytest.FixtureRequest, server: Server, tmp_path: Path
) -> Iterator[LambdaClient]:
    """A client of a platform with each driver."""
    if request.param == "crun":
        yield server.lambda_client()
        return
    made = Server(tmp_path / "data", driver=request.param)
    made.start()
    yield made.lambda_client()
    assert made.stop() == 0


def test_publishes_and_shows_a_version(aws: LambdaClient, layer: str) -> None:
    """All members of the reply, by number and by ARN; the link leads to the archive."""
    data = archive(module("a"))
    made = aws.publish_layer_version(
        LayerName=layer,
        Description="mine",
        Content={"ZipFile": data},
        CompatibleRuntimes=["python3.12", "python3.13"],
        CompatibleArchitectures=["x86_64"],
        LicenseInfo="MIT",
    )
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert made["LayerArn"] == ARN + layer
    assert made["LayerVersionArn"] == f"{ARN}{layer}:1"
    assert (made["Version"], made["Description"], made["LicenseInfo"]) == (1, "mine", "MIT")
    assert made["CompatibleRuntimes"] == ["python3.12", "python3.13"]
    assert made["CompatibleArchitectures"] == ["x86_64"]
    assert made["CreatedDate"].endswith("+0000")
    assert made["Content"]["CodeSize"] == len(data)
    with urllib.request.urlopen(made["Content"]["Location"]) as reply:
        assert reply.read() == data
    found = aws.get_layer_version(LayerName=layer, VersionNumber=1)
    by_arn = aws.get_layer_version_by_arn(Arn=made["LayerVersionArn"])
    by_layer_arn = aws.get_layer_version(LayerName=made["LayerArn"], VersionNumber=1)
    for shown in (found, by_arn, by_layer_arn):
        assert described(shown) == described(made)


def described(reply: Any) -> Any:
    """A reply without what differs between two of them."""
    members = {key: value for key, value in reply.items() if key != "ResponseMetadata"}
    members["Content"] = {k: v for k, v in members["Content"].items() if k != "Location"}
    return members


def test_leaves_out_what_was_not_declared(aws: LambdaClient, layer: str) -> None:
    """As AWS; the description is empty."""
    publish(aws, layer, module("a"))
    found = aws.get_layer_version(LayerName=layer, VersionNumber=1)
    assert found["Description"] == ""
    assert not {"CompatibleRuntimes", "CompatibleArchitectures", "LicenseInfo"} & found.keys()


def test_lists_with_paginators(aws: LambdaClient, layer: str) -> None:
    """Versions newest first, layers with their latest version that matches the filter."""
    for runtime in ("python3.12", "python3.13", "python3.12"):
        publish(aws, layer, module("a"), CompatibleRuntimes=[runtime])
    versions = aws.get_paginator("list_layer_versions")
    pages = list(versions.paginate(LayerName=layer, PaginationConfig={"PageSize": 2}))
    assert [[v["Version"] for v in page["LayerVersions"]] for page in pages] == [[3, 2], [1]]
    matching = aws.list_layer_versions(LayerName=layer, CompatibleRuntime="python3.12")
    assert [v["Version"] for v in matching["LayerVersions"]] == [3, 1]
    pages_of_layers = aws.get_paginator("list_layers").paginate(
        CompatibleRuntime="python3.13", PaginationConfig={"PageSize": 1}
    )
    found = {item["LayerName"]: item for page in pages_of_layers for item in page["Layers"]}
    assert found[layer]["LayerArn"] == ARN + layer
    assert found[layer]["LatestMatchingVersion"]["Version"] == 2
    others = aws.list_layers(CompatibleRuntime="nodejs22.x")["Layers"]
    assert layer not in {item["LayerName"] for item in others}


def test_never_uses_a_number_again(aws: LambdaClient, layer: str) -> None:
    """A deleted version is gone for the API; deleting it again is no error."""
    publish(aws, layer, module("a"))
    for _ in range(2):
        reply = aws.delete_layer_version(LayerName=layer, VersionNumber=1)
        assert reply["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert aws.list_layer_versions(LayerName=layer)["LayerVersions"] == []
    with pytest.raises(ClientError) as error:
        aws.get_layer_version(LayerName=layer, VersionNumber=1)
    assert refusal(error) == (
        404,
        "ResourceNotFoundException",
        "The resource you requested does not exist.",
    )
    assert publish(aws, layer, module("a")) == f"{ARN}{layer}:2"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        pytest.param(
            0,
            (400, "InvalidParameterValueException", "Layer Version Cannot be less than 1"),
            id="zero",
        ),
        pytest.param(
            10**12,
            (404, "ResourceNotFoundException", "The resource you requested does not exist."),
            id="large",
        ),
    ],
)
def test_refuses_version_numbers(
    aws: LambdaClient, layer: str, number: int, expected: tuple[int, str, str]
) -> None:
    """Numbers that no version has."""
    with pytest.raises(ClientError) as error:
        aws.get_layer_version(LayerName=layer, VersionNumber=number)
    assert refusal(error) == expected


def test_permits_and_forbids(aws: LambdaClient, layer: str) -> None:
    """Statements, their forms, the policy, revisions."""
    arn = publish(aws, layer, module("a"))
    where: Any = {"LayerName": layer, "VersionNumber": 1}
    grant: Any = {**where, "Action": "lambda:GetLayerVersion"}
    with pytest.raises(ClientError) as error:
        aws.get_layer_version_policy(**where)
    no_policy = (
        404,
        "ResourceNotFoundException",
        "No policy is associated with the given resource.",
    )
    assert refusal(error) == no_policy
    first = aws.add_layer_version_permission(
        **grant, StatementId="one", Principal="*", OrganizationId="o-abcdefghij"
    )
    assert first["ResponseMetadata"]["HTTPStatusCode"] == 201
    statement = {
        "Sid": "one",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "lambda:GetLayerVersion",
        "Resource": arn,
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}},
    }
    assert json.loads(first["Statement"]) == statement
    with pytest.raises(ClientError) as error:
        aws.add_layer_version_permission(
            **grant, StatementId="two", Principal="123456789012", RevisionId="other"
        )
    assert refusal(error)[:2] == (412, "PreconditionFailedException")
    second = aws.add_layer_version_permission(
        **grant, StatementId="two", Principal="123456789012", RevisionId=first["RevisionId"]
    )
    policy = aws.get_layer_version_policy(**where)
    assert policy["RevisionId"] == second["RevisionId"] != first["RevisionId"]
    document = json.loads(policy["Policy"])
    assert (document["Version"], document["Id"]) == ("2012-10-17", "default")
    assert [each["Principal"] for each in document["Statement"]] == [
        "*",
        {"AWS": "arn:aws:iam::123456789012:root"},
    ]
    for sid in ("one", "two"):
        reply = aws.remove_layer_version_permission(**where, StatementId=sid)
        assert reply["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError) as error:
        aws.get_layer_version_policy(**where)
    assert refusal(error) == no_policy


def test_permits_nothing_but_reading(aws: LambdaClient, layer: str) -> None:
    """The action is exactly one."""
    publish(aws, layer, module("a"))
    with pytest.raises(ClientError) as error:
        aws.add_layer_version_permission(
            LayerName=layer,
            VersionNumber=1,
            StatementId="s",
            Action="lambda:GetFunction",
            Principal="*",
        )
    assert refusal(error) == (
        400,
        "ValidationException",
        (
            "1 validation error detected: Value 'lambda:GetFunction' at 'action' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: lambda:GetLayerVersion"
        ),
    )


def test_a_function_imports_from_its_layers(any_driver: LambdaClient, layer: str) -> None:
    """Python packages in both places, programs on PATH, libraries' path, files by name."""
    aws = any_driver
    version = RUNTIME.removeprefix("python")
    first = publish(
        aws,
        layer,
        {
            "python/one.py": "X = 1\n",
            f"python/lib/python{version}/site-packages/two/__init__.py": "X = 2\n",
            "bin/tell": "#!/bin/sh\necho told\n",
            "data/text": "hello",
        },
        mode=0o755,
    )
    second = publish(aws, f"{layer}-2", {"python/three.py": "X = 3\n", "lib/libx.so": "x"})
    source = """
        import one, two, three, os, subprocess
        def handler(event, context):
            root = os.path.dirname(os.path.dirname(one.__file__))
            library = [p for p in os.environ["LD_LIBRARY_PATH"].split(":") if p == root + "/lib"]
            return {
                "x": [one.X, two.X, three.X],
                "told": subprocess.run(["tell"], capture_output=True, text=True).stdout,
                "text": open(root + "/data/text").read(),
                "library": os.listdir(library[0]),
                "root": root,
            }
        """
    name = make_function(aws, source, Layers=[first, second])
    shown = aws.get_function_configuration(FunctionName=name)
    assert [item["Arn"] for item in shown["Layers"]] == [first, second]
    assert all(item["CodeSize"] > 100 for item in shown["Layers"])
    seen = call(aws, name)
    root = seen.pop("root")
    assert seen == {"x": [1, 2, 3], "told": "told\n", "text": "hello", "library": ["libx.so"]}
    assert root.endswith("/opt") or "/opt/" in root or "/code/" in root
    aws.delete_function(FunctionName=name)


def test_code_links_into_a_layer(aws: LambdaClient, layer: str, tmp_path: Path) -> None:
    """By an absolute link, which means a place inside; of the host's files it shows nothing."""
    arn = publish(aws, layer, {"shared/data.txt": "from the layer"})
    package = BytesIO()
    with zipfile.ZipFile(package, "w") as target:
        target.writestr(
            "app.py",
            "import os\n"
            "def handler(event, context):\n"
            "    return [open('linked/data.txt').read(), os.path.exists('cache')]\n",
        )
        for name, place in (("linked", "/opt/shared"), ("cache", str(tmp_path))):
            link = zipfile.ZipInfo(name)
            link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            target.writestr(link, place)
    name = make_function(aws, "", Layers=[arn], Code={"ZipFile": package.getvalue()})
    try:
        assert call(aws, name) == ["from the layer", False]
    finally:
        aws.delete_function(FunctionName=name)


def test_later_layers_overwrite_earlier_ones(
    aws: LambdaClient, create: CreateFunction, layer: str
) -> None:
    """The order counts, changes when it is changed, and goes with `Layers=[]`."""
    one = publish(aws, f"{layer}-1", module("one") | {"only/one": ""})
    two = publish(aws, f"{layer}-2", module("two") | {"only/two": ""})
    source = """
        import os
        try:
            import shared
        except ImportError:
            shared = None
        def handler(event, context):
            files = sorted(os.listdir("/opt/only")) if os.path.exists("/opt/only") else None
            return [shared and shared.NAME, files]
        """
    name = create(source, Layers=[one, two])
    assert call(aws, name) == ["two", ["one", "two"]]
    aws.update_function_configuration(FunctionName=name, Layers=[two, one])
    wait_at_rest(aws, name)
    assert call(aws, name) == ["one", ["one", "two"]]
    aws.update_function_configuration(FunctionName=name, Description="the same layers")
    assert [item["Arn"] for item in wait_at_rest(aws, name)["Layers"]] == [two, one]
    aws.update_function_configuration(FunctionName=name, Layers=[])
    assert "Layers" not in wait_at_rest(aws, name)
    assert call(aws, name) == [None, None]


def test_a_wrapper_starts_the_runtime(any_driver: LambdaClient, layer: str) -> None:
    """AWS_LAMBDA_EXEC_WRAPPER names a program of a layer."""
    aws = any_driver
    wrapper = publish(
        aws, layer, {"wrapper": '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n'}, mode=0o755
    )
    name = make_function(
        aws,
        "import os\ndef handler(e, c):\n    return os.environ['WRAPPED']\n",
        Layers=[wrapper],
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}},
    )
    assert call(aws, name) == "yes"
    aws.delete_function(FunctionName=name)


def test_functions_outlive_their_layers(
    aws: LambdaClient, server: Server, create: CreateFunction, layer: str
) -> None:
    """After deletion old environments, new ones, new versions and other updates still work."""
    arn = publish(aws, layer, module("kept"))
    name = create(SHOW, Layers=[arn])
    assert call(aws, name) == "kept"
    aws.delete_layer_version(LayerName=layer, VersionNumber=1)
    assert call(aws, name) == "kept"
    aws.update_function_configuration(FunctionName=name, Description="another environment")
    assert [item["Arn"] for item in wait_at_rest(aws, name)["Layers"]] == [arn]
    assert call(aws, name) == "kept"
    published = aws.publish_version(FunctionName=name)
    assert [item["Arn"] for item in published["Layers"]] == [arn]
    assert call(aws, name, Qualifier="1") == "kept"
    with pytest.raises(ClientError) as error:
        aws.update_function_configuration(FunctionName=name, Layers=[arn])
    assert refusal(error) == (
        400,
        "InvalidParameterValueException",
        f"Layer version {arn} does not exist.",
    )
    server.kill()
    server.start()
    assert call(aws, name) == "kept"


def test_layers_count_for_a_publication(
    aws: LambdaClient, create: CreateFunction, layer: str
) -> None:
    """Other layers make another version; the same do not."""
    one, two = publish(aws, layer, module("a")), publish(aws, layer, module("b"))
    name = create(SHOW, Layers=[one])
    assert aws.publish_version(FunctionName=name)["Version"] == "1"
    for layers, expected in (([two], "2"), ([two], "2"), ([one], "3")):
        aws.update_function_configuration(FunctionName=name, Layers=layers)
        wait_at_rest(aws, name)
        assert aws.publish_version(FunctionName=name)["Version"] == expected
    assert [call(aws, name, Qualifier=version) for version in ("1", "2", "3")] == ["a", "b", "a"]


def test_environments_share_what_nobody_can_change(
    aws: LambdaClient, create: CreateFunction, layer: str
) -> None:
    """Two environments at once see the same; writing to /opt fails in each of them."""
    one = publish(aws, f"{layer}-1", module("one"), mode=0o777)
    two = publish(aws, f"{layer}-2", {"python/other.py": ""}, mode=0o777)
    source = """
        import os, time, shared
        def attempt(what):
            try:
                what()
            except OSError as error:
                return error.strerror
        def handler(event, context):
            time.sleep(1)
            return {
                "name": shared.NAME,
                "inode": os.stat("/opt/python/shared.py").st_ino,
                "host": open("/proc/self/mountinfo").read().count(" /opt "),
                "log": context.log_stream_name,
                "errors": [
                    attempt(lambda: open("/opt/python/shared.py", "w")),
                    attempt(lambda: open("/opt/new", "w")),
                    attempt(lambda: os.unlink("/opt/python/shared.py")),
                    attempt(lambda: os.chmod("/opt/python/shared.py", 0o777)),
                ],
            }
        """
    name = create(source, Layers=[one, two], Timeout=10)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        seen = list(threads.map(lambda _: call(aws, name), range(2)))
    assert seen[0]["log"] != seen[1]["log"]
    assert seen[0]["inode"] == seen[1]["inode"]
    for each in seen:
        assert (each["name"], each["host"]) == ("one", 1)
        assert each["errors"] == ["Read-only file system"] * 4


@pytest.mark.parametrize(
    ("suffixes", "message"),
    [
        pytest.param([":1"] * 6, "Cannot reference more than 5 layers.", id="six"),
        pytest.param(
            [":1", ":2"],
            "Two different versions of the same layer are not allowed to be referenced in the same "
            "function. {arn}:1 and {arn}:2 are versions of the same layer.",
            id="two-versions",
        ),
        pytest.param([":3"], "Layer version {arn}:3 does not exist.", id="missing-version"),
        pytest.param(["x:1"], "Layer version {arn}x:1 does not exist.", id="missing-layer"),
    ],
)
def test_refuses_layers_of_a_function(
    aws: LambdaClient, create: CreateFunction, layer: str, suffixes: list[str], message: str
) -> None:
    """When it is created and when it is updated, with AWS's texts; nothing changes."""
    name = create("def handler(e, c):\n    return 1\n")
    publish(aws, layer, module("a"))
    publish(aws, layer, module("b"))
    arn = ARN + layer
    layers = [arn + suffix for suffix in suffixes]
    expected = (400, "InvalidParameterValueException", message.format(arn=arn))
    with pytest.raises(ClientError) as error:
        aws.update_function_configuration(FunctionName=name, Layers=layers)
    assert refusal(error) == expected
    with pytest.raises(ClientError) as error:
        make_function(aws, "x = 1", Layers=layers)
    assert refusal(error) == expected
    assert "Layers" not in aws.get_function_configuration(FunctionName=name)
