"""What the port answers to whom: the table of routes, and every refusal."""

from __future__ import annotations

import pytest
from tests.unit.frontend.door_world import INVOKE, URL_HOST, DoorWorld

LIST_RULES = "AWSEvents.ListRuleNamesByTarget"


async def test_a_host_of_a_function_url_leads_to_the_function_urls() -> None:
    """Whatever the path, and whatever page sends it."""
    for path in ("/", "/_lambd/health", INVOKE):
        answer = await DoorWorld().ask(
            "POST", path, [("Origin", "https://a.example")], host=URL_HOST
        )
        assert answer.status == 200
        assert answer.body.startswith(f"url {'a' * 32} ".encode())


async def test_the_health_page_is_the_platforms_own() -> None:
    """It is read with GET; there is nothing else beside it."""
    world = DoorWorld
    assert (await world().ask("GET", "/_lambd/health")).members == {"status": "ok"}
    assert (await world().ask("POST", "/_lambd/health")).status == 404
    assert (await world().ask("GET", "/_lambd/other")).status == 404


async def test_stored_code_is_behind_links() -> None:
    """With GET alone."""
    assert (await DoorWorld().ask("GET", "/_lambd/code/0?Expires=1")).body == b"zip"
    assert (await DoorWorld().ask("PUT", "/_lambd/code/0?Expires=1")).status == 404


async def test_a_target_leads_to_its_service() -> None:
    """Whatever the path."""
    answer = await DoorWorld().ask(
        "POST", "/", [("X-Amz-Target", LIST_RULES)], b'{"TargetArn":"arn:x"}'
    )
    assert (answer.status, answer.members) == (200, {"RuleNames": ["arn:x"]})


async def test_method_and_path_lead_to_lambda() -> None:
    """To a handler that replies by itself, and to one that is waited for."""
    answer = await DoorWorld().ask("POST", INVOKE, body=b"[1]")
    assert (answer.status, answer.body) == (200, b"[1]")
    answer = await DoorWorld().ask("GET", "/2015-03-31/functions/f")
    assert (answer.status, answer.members) == (200, {"Tags": {"name": "f"}})


async def test_method_and_path_lead_to_the_other_rest_services() -> None:
    """After Lambda."""
    answer = await DoorWorld().ask("GET", "/schedules/nightly")
    assert (answer.status, answer.members) == (200, {"Name": "nightly"})


async def test_every_answer_has_the_request_id_once() -> None:
    """It is given in one place."""
    for host, path in (
        (URL_HOST, "/"),
        ("localhost", "/_lambd/health"),
        ("localhost", INVOKE),
        ("localhost", "/nowhere"),
        ("evil.example", "/"),
        (None, "/"),
    ):
        answer = await DoorWorld().ask("GET", path, host=host)
        assert len(answer.headers["x-amzn-requestid"]) == 36


@pytest.mark.parametrize(
    "host", [None, "localhost,localhost", "local host", "[::1"], ids=["none", "two", "space", "cut"]
)
async def test_a_host_that_is_none_ends_the_connection(host: str | None) -> None:
    """What is in front may see another request in it."""
    answer = await DoorWorld().ask("GET", INVOKE, host=host)
    assert (answer.status, answer.is_closed) == (400, True)


async def test_a_foreign_host_is_refused() -> None:
    """The text names it and the setting."""
    answer = await DoorWorld().ask("POST", INVOKE, host="evil.example:4566")
    assert (answer.status, answer.error) == (403, "AccessDeniedException")
    assert "evil.example" in answer.members["Message"]
    assert "allowed_hosts" in answer.members["Message"]


@pytest.mark.parametrize("path", [INVOKE, "/_lambd/health", "/schedules/nightly", "/nowhere"])
async def test_a_web_page_is_refused(path: str) -> None:
    """Whatever it asks for."""
    answer = await DoorWorld().ask("POST", path, [("Origin", "null")])
    assert (answer.status, answer.error) == (403, "AccessDeniedException")
    assert "Origin" in answer.members["Message"]


@pytest.mark.parametrize(
    ("site", "status"),
    [("cross-site", 403), ("same-site", 403), ("none", 200), ("same-origin", 200)],
)
async def test_what_a_page_embeds_is_refused(site: str, status: int) -> None:
    """A browser sends no Origin header for it; addresses that are typed come from no site."""
    answer = await DoorWorld().ask("GET", "/_lambd/health", [("Sec-Fetch-Site", site)])
    assert answer.status == status


async def test_a_body_over_its_limit_is_refused_by_lambda() -> None:
    """The text names the limit of the operation."""
    answer = await DoorWorld().ask("POST", INVOKE, body_exceeded=True)
    assert (answer.status, answer.error) == (413, "RequestTooLargeException")
    assert "6291456" in answer.members["message"]
    answer = await DoorWorld().ask("GET", "/2015-03-31/functions/f", body_exceeded=True)
    assert (answer.status, answer.error) == (413, "RequestEntityTooLargeException")


async def test_a_body_over_its_limit_is_refused_by_the_other_services() -> None:
    """In their own protocol."""
    target = [("X-Amz-Target", LIST_RULES)]
    answer = await DoorWorld().ask("POST", "/", target, body_exceeded=True)
    assert (answer.status, answer.error) == (413, "RequestEntityTooLargeException")
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"


async def test_an_operation_without_a_handler_is_not_implemented() -> None:
    """The text names it."""
    answer = await DoorWorld().ask("DELETE", "/2015-03-31/functions/f")
    assert (answer.status, answer.error) == (501, "NotImplementedException")
    assert "DeleteFunction" in answer.members["message"]
    target = [("X-Amz-Target", "AWSEvents.PutPermission")]
    answer = await DoorWorld().ask("POST", "/", target, b"{}")
    assert (answer.status, answer.error) == (501, "NotImplementedException")
    assert answer.members["__type"] == "NotImplementedException"


async def test_what_is_no_operation_is_unknown() -> None:
    """By path in Lambda's way, by target in the service's."""
    answer = await DoorWorld().ask("GET", "/nowhere")
    assert (answer.status, answer.error) == (404, "UnknownOperationException")
    answer = await DoorWorld().ask("POST", "/", [("X-Amz-Target", "AWSEvents.Nothing")], b"{}")
    assert (answer.status, answer.error) == (400, "UnknownOperationException")


async def test_parameters_that_are_refused_change_nothing() -> None:
    """The decoder's refusal reaches the client."""
    answer = await DoorWorld().ask("GET", "/2015-03-31/functions/f?Qualifier=%20")
    assert (answer.status, answer.error) == (400, "ValidationException")


def scope(service: str) -> tuple[str, str]:
    """The header of a signature for a service."""
    return (
        "Authorization",
        f"AWS4-HMAC-SHA256 Credential=A/20260102/us-east-1/{service}/aws4_request",
    )


async def test_a_service_that_is_not_served_is_named_in_its_protocol() -> None:
    """With what to do; also where a served service has the same path."""
    answer = await DoorWorld().ask("GET", "/bucket", [scope("s3")])
    assert (answer.status, answer.headers["content-type"]) == (501, "application/xml")
    assert b"<Code>NotImplemented</Code>" in answer.body
    assert b"Amazon S3 (s3) yet" in answer.body
    assert b"AWS_ENDPOINT_URL_S3," in answer.body
    answer = await DoorWorld().ask("GET", "/tags/arn", [scope("pipes")])
    assert (answer.status, answer.error) == (501, "NotImplementedException")


async def test_a_service_that_nobody_knows_is_named() -> None:
    """As the request spells it."""
    answer = await DoorWorld().ask("GET", "/x", [scope("teleport")])
    assert "teleport" in answer.members["message"]


async def test_served_services_are_served_however_they_are_signed() -> None:
    """The signature names them, too."""
    for service, path in (("lambda", "/2015-03-31/functions/f"), ("scheduler", "/schedules/s")):
        assert (await DoorWorld().ask("GET", path, [scope(service)])).status == 200


async def test_a_bucket_in_a_foreign_host_is_refused_in_xml() -> None:
    """Clients of S3 put buckets in front of the host that they are given."""
    answer = await DoorWorld().ask("GET", "/", [scope("s3")], host="bucket.lambda.example")
    assert (answer.status, answer.headers["content-type"]) == (403, "application/xml")
    assert b"<Code>AccessDenied</Code>" in answer.body
    assert b"allowed_hosts" in answer.body


def _signed(region: str) -> list[tuple[str, str]]:
    credential = f"AKID/20261129/{region}/lambda/aws4_request"
    text = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"
    return [("Authorization", text)]


async def test_a_request_goes_to_the_region_that_it_is_signed_for() -> None:
    """The first one of a region opens it."""
    world = DoorWorld()
    answer = await world.ask("GET", "/2015-03-31/functions/f", _signed("eu-west-1"))
    assert answer.status == 200
    assert world.regions.routes("eu-west-1") is not None


async def test_a_region_that_aws_has_not_is_refused() -> None:
    """As AWS refuses it: the signature is for nowhere."""
    answer = await DoorWorld().ask("GET", "/2015-03-31/functions/f", _signed("us-esat-1"))
    assert (answer.status, answer.error) == (403, "InvalidSignatureException")


async def test_a_service_that_is_not_served_is_named_whatever_the_region() -> None:
    """Some have regions of their own, such as `auto`."""
    text = "AWS4-HMAC-SHA256 Credential=A/20260102/auto/s3/aws4_request"
    answer = await DoorWorld().ask("GET", "/bucket", [("Authorization", text)])
    assert (answer.status, answer.headers["content-type"]) == (501, "application/xml")


async def test_a_function_url_of_a_region_without_any_opens_none() -> None:
    """What is asked for by name alone is told not to exist by those that are there."""
    world = DoorWorld()
    host = f"{'a' * 32}.lambda-url.eu-west-1.localhost"
    assert (await world.ask("GET", "/", host=host)).body.startswith(b"url None ")
    assert world.regions.routes("eu-west-1") is None
