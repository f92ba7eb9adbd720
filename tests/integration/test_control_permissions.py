"""Resource policies on a real store: statements, documents, scopes, revisions, AWS's texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.integration.control_world import ARN, World

from lambd.control.aliases import CreateAliasRequest, create_alias, delete_alias
from lambd.control.configuration import ConfigurationChanges
from lambd.control.functions import (
    UpdateConfigurationRequest,
    delete_function,
    update_configuration,
)
from lambd.control.permissions import (
    AddPermissionRequest,
    add_permission,
    delete_resource_policy,
    get_policy,
    get_resource_policy,
    put_resource_policy,
    remove_permission,
)
from lambd.control.versions import PublishVersionRequest, publish_version
from lambd.model.arns import FunctionReference
from lambd.model.errors import (
    ConflictError,
    InvalidParameterError,
    NotFoundError,
    PlatformError,
    PolicyLengthExceededError,
    PreconditionFailedError,
)
from lambd.store.database import FunctionChanged
from lambd.store.qualified import qualified_revision

F = FunctionReference(name="f")
VERSION = FunctionReference(name="f", qualifier="1")
ALIAS = FunctionReference(name="f", qualifier="live")
REQUEST = AddPermissionRequest(
    function=F,
    statement_id="s3",
    action="lambda:InvokeFunction",
    principal="s3.amazonaws.com",
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A platform with one active function, `f`, its version 1 and the alias `live` of that."""
    world = World(tmp_path)
    world.create("f")
    world.call(publish_version, PublishVersionRequest(name="f"))
    world.call(
        create_alias, CreateAliasRequest(function_name="f", name="live", version="1", weights={})
    )
    yield world
    world.close()


def add(world: World, **members: Any) -> dict[str, Any]:
    """Add a permission; the statement."""
    made: dict[str, Any] = json.loads(world.call(add_permission, replace(REQUEST, **members)))
    return made


def statements(world: World, reference: FunctionReference = F) -> list[dict[str, Any]]:
    """The statements of a scope's policy."""
    document = json.loads(world.call(get_policy, reference).document)
    assert (document["Version"], document["Id"]) == ("2012-10-17", "default")
    found: list[dict[str, Any]] = document["Statement"]
    return found


def revision(world: World, reference: FunctionReference = F) -> str:
    """The RevisionId of a scope."""
    with world.transaction() as connection:
        found = qualified_revision(connection, reference.name, reference.qualifier or "$LATEST")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param({}, {"Principal": {"Service": "s3.amazonaws.com"}}, id="service"),
        pytest.param(
            {"principal": "alexa-appkit.amazon.com", "event_source_token": "t"},
            {
                "Principal": {"Service": "alexa-appkit.amazon.com"},
                "Condition": {"StringEquals": {"lambda:EventSourceToken": "t"}},
            },
            id="token",
        ),
        pytest.param(
            {"principal": "111122223333"},
            {"Principal": {"AWS": "arn:aws:iam::111122223333:root"}},
            id="account",
        ),
        pytest.param(
            {"principal": "arn:aws:iam::111122223333:role/r"},
            {"Principal": {"AWS": "arn:aws:iam::111122223333:role/r"}},
            id="role",
        ),
        pytest.param(
            {"principal": "*", "principal_org_id": "o-1234567890"},
            {
                "Principal": "*",
                "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}},
            },
            id="organisation",
        ),
        pytest.param(
            {"source_arn": "arn:aws:s3:::b", "source_account": "111122223333"},
            {
                "Principal": {"Service": "s3.amazonaws.com"},
                "Condition": {
                    "StringEquals": {"AWS:SourceAccount": "111122223333"},
                    "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"},
                },
            },
            id="source",
        ),
        pytest.param(
            {
                "principal": "*",
                "action": "lambda:InvokeFunctionUrl",
                "function_url_auth_type": "NONE",
            },
            {
                "Principal": "*",
                "Action": "lambda:InvokeFunctionUrl",
                "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
            },
            id="function URL",
        ),
        pytest.param(
            {"principal": "*", "invoked_via_function_url": True},
            {
                "Principal": "*",
                "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
            },
            id="via function URL",
        ),
    ],
)
def test_every_form_of_a_statement(
    world: World, members: dict[str, Any], expected: dict[str, Any]
) -> None:
    """As recorded from AWS, and as GetPolicy shows it afterwards."""
    made = add(world, **members)
    assert made == {
        "Sid": "s3",
        "Effect": "Allow",
        "Action": "lambda:InvokeFunction",
        "Resource": ARN + "f",
        **expected,
    }
    assert list(made)[:5] == ["Sid", "Effect", "Principal", "Action", "Resource"]
    assert statements(world) == [made]


def test_scopes_are_independent(world: World) -> None:
    """Function, version and alias: the same id in each, a resource of its own."""
    for reference in (F, VERSION, ALIAS):
        before = revision(world, reference)
        made = add(world, function=reference)
        assert FunctionChanged(name="f") in world.notices
        assert made["Resource"] == ARN + ":".join(filter(None, ("f", reference.qualifier)))
        assert revision(world, reference) != before
        assert world.call(get_policy, reference).revision_id == revision(world, reference)
    world.call(remove_permission, VERSION, "s3")
    assert len(statements(world, F)) == len(statements(world, ALIAS)) == 1


def test_publishing_leaves_the_revision_of_the_policy(world: World) -> None:
    """The function has another one afterwards; who read the policy may still change it."""
    add(world)
    read = world.call(get_policy, F).revision_id
    assert read == revision(world)
    changes = ConfigurationChanges(description="new")
    world.call(update_configuration, UpdateConfigurationRequest(name="f", changes=changes))
    world.settle()
    world.call(publish_version, PublishVersionRequest(name="f"))
    assert revision(world) != read
    assert world.call(get_policy, F).revision_id == read
    add(world, statement_id="other", revision_id=read)
    assert world.call(get_policy, F).revision_id == revision(world) != read


def test_revisions_guard_changes(world: World) -> None:
    """A RevisionId that is not the scope's changes nothing."""
    text = "does not match the latest Revision Id. Call the GetPolicy API"
    stale = revision(world)
    add(world, revision_id=stale)
    with pytest.raises(PreconditionFailedError, match=text):
        add(world, statement_id="other", revision_id=stale)
    with pytest.raises(PreconditionFailedError, match=text):
        world.call(remove_permission, F, "s3", stale)
    world.call(remove_permission, F, "s3", world.call(get_policy, F).revision_id)
    with pytest.raises(NotFoundError, match=r"^The resource you requested does not exist\.$"):
        world.call(get_policy, F)


@pytest.mark.parametrize(
    ("members", "kind", "message"),
    [
        pytest.param(
            {"function": FunctionReference(name="f", qualifier="$LATEST")},
            InvalidParameterError,
            "We currently do not support adding policies for $LATEST.",
            id="latest",
        ),
        *(
            pytest.param(
                {"principal": principal},
                InvalidParameterError,
                "The provided principal was invalid. Please check the principal and try again.",
                id=f"principal {principal}",
            )
            for principal in ("s3", "12345", "arn:aws:s3:::b", "example.com")
        ),
        pytest.param(
            {"function_url_auth_type": "NONE"},
            InvalidParameterError,
            "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
            id="auth type",
        ),
        pytest.param(
            {"function": FunctionReference(name="g")},
            NotFoundError,
            f"Function not found: {ARN}g",
            id="no function",
        ),
        pytest.param(
            {"function": FunctionReference(name="f", qualifier="7")},
            NotFoundError,
            f"Function not found: {ARN}f:7",
            id="no version",
        ),
        pytest.param(
            {"function": FunctionReference(name="f", qualifier="blue")},
            NotFoundError,
            f"Cannot find alias arn: {ARN}f:blue",
            id="no alias",
        ),
    ],
)
def test_refusals(
    world: World, members: dict[str, Any], kind: type[PlatformError], message: str
) -> None:
    """Nothing is stored."""
    with pytest.raises(kind) as caught:
        add(world, **members)
    assert caught.value.message == message
    with pytest.raises(NotFoundError):
        world.call(get_policy, F)


def test_a_statement_id_is_taken_once(world: World) -> None:
    """409 with AWS's text."""
    add(world)
    with pytest.raises(ConflictError) as caught:
        add(world)
    assert caught.value.message == (
        "The statement id (s3) provided already exists. Please provide a new statement id, or "
        "remove the existing statement."
    )


def test_removing_what_is_not_there(world: World) -> None:
    """No function, no policy, no statement: three texts."""
    for reference, sid, message in (
        (FunctionReference(name="g"), "s3", f"No policy found for: {ARN}g"),
        (F, "s3", "No policy is associated with the given resource."),
    ):
        with pytest.raises(NotFoundError) as caught:
            world.call(remove_permission, reference, sid)
        assert caught.value.message == message
    add(world)
    with pytest.raises(NotFoundError) as caught:
        world.call(remove_permission, F, "other")
    assert caught.value.message == "Statement other is not found in resource policy."


def test_a_policy_has_a_size(world: World) -> None:
    """20 KB for the whole document; what does not fit changes nothing."""
    size = len(json.dumps(add(world, statement_id="0" * 100), separators=(",", ":"))) + 1
    count = 20_000 // size
    for number in range(1, count):
        add(world, statement_id=f"{number:0100}")
    with pytest.raises(PolicyLengthExceededError) as caught:
        add(world, source_arn="arn:aws:s3:::" + "b" * 1000)
    assert "is bigger than the limit (20480)." in caught.value.message
    assert len(statements(world)) == count
    assert len(world.call(get_policy, F).document) <= 20_480


def test_policies_go_with_their_scope(world: World) -> None:
    """A new alias or function of the same name begins without."""
    add(world)
    add(world, function=ALIAS)
    world.call(delete_alias, "f", "live")
    request = CreateAliasRequest(function_name="f", name="live", version="1", weights={})
    world.call(create_alias, request)
    with pytest.raises(NotFoundError):
        world.call(get_policy, ALIAS)
    world.call(delete_function, F)
    world.create("f")
    with pytest.raises(NotFoundError):
        world.call(get_policy, F)


# --- whole documents --------------------------------------------------------------------------


def document(**members: Any) -> str:
    """A document with one statement, which denies."""
    made = {
        "Sid": "no",
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": ["lambda:InvokeFunction"],
        "Resource": ARN + "f",
        **members,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": made})


def test_a_document_replaces_all(world: World) -> None:
    """Statements made before are gone; later ones are added to it."""
    add(world)
    put = world.call(put_resource_policy, ARN + "f", document(), revision(world))
    assert json.loads(put.document) == json.loads(document())
    assert put == world.call(get_resource_policy, ARN + "f") == world.call(get_policy, F)
    assert put.revision_id == revision(world)
    add(world)
    both = json.loads(world.call(get_resource_policy, ARN + "f").document)["Statement"]
    assert [item["Sid"] for item in both] == ["no", "s3"]
    world.call(remove_permission, F, "no")
    world.call(delete_resource_policy, ARN + "f", revision(world))
    with pytest.raises(NotFoundError):
        world.call(get_resource_policy, ARN + "f")
    with pytest.raises(NotFoundError):
        world.call(delete_resource_policy, ARN + "f")


def test_documents_have_revisions(world: World) -> None:
    """Put and delete with a stale RevisionId change nothing."""
    stale = revision(world)
    world.call(put_resource_policy, ARN + "f", document(), stale)
    for call in (
        lambda: world.call(put_resource_policy, ARN + "f", document(Sid="other"), stale),
        lambda: world.call(delete_resource_policy, ARN + "f", stale),
    ):
        with pytest.raises(PreconditionFailedError):
            call()
    assert json.loads(world.call(get_policy, F).document) == json.loads(document())


@pytest.mark.parametrize(
    ("arn", "policy", "kind", "message"),
    [
        pytest.param(ARN + "g", document(), NotFoundError, "Function not found", id="no function"),
        pytest.param(
            ARN + "f:$LATEST", document(), InvalidParameterError, "for \\$LATEST", id="latest"
        ),
        pytest.param(
            "arn:aws:lambda:us-east-1:000000000000:runtime/r",
            document(),
            InvalidParameterError,
            "runtimes are not supported",
            id="runtime",
        ),
        pytest.param(ARN + "f", "{}", InvalidParameterError, "Version must be", id="no policy"),
        pytest.param(
            ARN + "f",
            document(Resource=ARN + "g"),
            InvalidParameterError,
            "Resource .*:g is not",
            id="other resource",
        ),
        pytest.param(
            ARN + "f:1",
            document(),
            InvalidParameterError,
            "Resource .*:f is not .*:f:1",
            id="wider resource",
        ),
    ],
)
def test_documents_that_are_refused(
    world: World, arn: str, policy: str, kind: type[PlatformError], message: str
) -> None:
    """A statement about nothing, or one that cannot be evaluated, is not stored."""
    with pytest.raises(kind, match=message):
        world.call(put_resource_policy, arn, policy)
    with pytest.raises(NotFoundError):
        world.call(get_policy, F)


@pytest.mark.parametrize("resource", ["*", ARN + "f:*", [ARN + "f", ARN + "f:1"]], ids=str)
def test_documents_may_speak_of_qualifiers(world: World, resource: object) -> None:
    """The function's own policy reaches its versions by a wildcard."""
    world.call(put_resource_policy, ARN + "f", document(Resource=resource))
