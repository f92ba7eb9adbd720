"""Clients of services that lambd does not serve learn that from its answer, whatever they speak."""

from __future__ import annotations

import subprocess
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.acceptance.conftest import CreateFunction, Server
from tests.acceptance.test_command_lines import AWS

# Service, operation, its parameters, the name in the answer, the variable.
CALLS: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("s3", "list_buckets", {}, "Amazon S3", "S3"),
    ("s3", "get_object", {"Bucket": "b", "Key": "k"}, "Amazon S3", "S3"),
    ("s3", "put_object", {"Bucket": "b", "Key": "k", "Body": b"x" * 1000}, "Amazon S3", "S3"),
    ("sqs", "list_queues", {}, "Amazon SQS", "SQS"),
    ("sts", "get_caller_identity", {}, "AWS STS", "STS"),
    ("dynamodb", "list_tables", {}, "DynamoDB", "DYNAMODB"),
    ("sns", "list_topics", {}, "Amazon SNS", "SNS"),
    ("iam", "list_roles", {}, "IAM", "IAM"),
    ("ec2", "describe_vpcs", {}, "Amazon EC2", "EC2"),
    ("kinesis", "list_streams", {}, "Kinesis", "KINESIS"),
    ("secretsmanager", "list_secrets", {}, "AWS Secrets Manager", "SECRETS_MANAGER"),
    ("ssm", "get_parameter", {"Name": "p"}, "Amazon SSM", "SSM"),
    ("cloudformation", "list_stacks", {}, "AWS CloudFormation", "CLOUDFORMATION"),
    # REST with JSON and with XML, and CBOR.
    ("apigateway", "get_rest_apis", {}, "Amazon API Gateway", "API_GATEWAY"),
    ("route53", "list_hosted_zones", {}, "Route 53", "ROUTE_53"),
    ("cloudwatch", "list_metrics", {}, "CloudWatch", "CLOUDWATCH"),
    # A path that the Scheduler has as well.
    ("pipes", "list_tags_for_resource", {"resourceArn": "arn:aws:pipes:a:b:c"}, "Pipes", "PIPES"),
]


def client(server: Server, service: str, **config: Any) -> Any:
    """A client of any service, at lambd, that asks once."""
    return boto3.client(
        service,  # type: ignore[call-overload]  # its stubs know services by name only
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


@pytest.mark.parametrize(
    ("service", "method", "parameters", "name", "variable"),
    CALLS,
    ids=[f"{call[0]}-{call[1]}" for call in CALLS],
)
def test_a_client_of_another_service_is_told_so(
    server: Server, service: str, method: str, parameters: dict[str, Any], name: str, variable: str
) -> None:
    """With the service's name and what to do about it, and not by a parse error."""
    with pytest.raises(ClientError) as caught:
        getattr(client(server, service), method)(**parameters)
    error = caught.value.response["Error"]
    assert error["Code"] in ("NotImplemented", "NotImplementedException")
    assert name in error["Message"]
    assert f"AWS_ENDPOINT_URL_{variable}," in error["Message"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_an_unsigned_call_is_told_apart_by_its_form(server: Server) -> None:
    """As of roles that are assumed with a web identity."""
    with pytest.raises(ClientError, match="AWS STS"):
        client(server, "sts", signature_version=UNSIGNED).assume_role_with_web_identity(
            RoleArn="arn:aws:iam::000000000000:role/r",
            RoleSessionName="session",
            WebIdentityToken="tttt",
        )


def test_the_aws_cli_shows_the_reason(server: Server) -> None:
    """As it does for errors of AWS."""
    done = subprocess.run(
        [AWS, "s3", "ls"],
        env=server.cli_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "lambd does not serve Amazon S3" in done.stderr


IN_A_FUNCTION = """
import boto3
def handler(event, context):
    try:
        boto3.client("sqs").list_queues()
    except Exception as error:
        return str(error)
"""


def test_a_function_is_told_so_too(server: Server, create: CreateFunction) -> None:
    """It is given lambd as the endpoint of all services."""
    name = create(IN_A_FUNCTION, Timeout=60, MemorySize=512)
    told = server.lambda_client().invoke(FunctionName=name)["Payload"].read().decode()
    assert "lambd does not serve Amazon SQS" in told
