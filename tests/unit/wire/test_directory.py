"""All services by what names them on the wire."""

from __future__ import annotations

import pytest

from lambd.wire.directory import load_directory

DIRECTORY = load_directory()


@pytest.mark.parametrize(
    ("signing_name", "name", "protocol", "variable"),
    [
        ("s3", "Amazon S3", "rest-xml", "AWS_ENDPOINT_URL_S3"),
        ("ec2", "Amazon EC2", "ec2", "AWS_ENDPOINT_URL_EC2"),
        (
            "secretsmanager",
            "AWS Secrets Manager",
            "json",
            "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        ),
        # Four services have this name.
        ("ses", "Amazon SES", "query", "AWS_ENDPOINT_URL_SES"),
    ],
)
def test_services_are_found_by_signing_name(
    signing_name: str, name: str, protocol: str, variable: str
) -> None:
    """With what their users need to know."""
    found = DIRECTORY.by_signing_name[signing_name]
    assert (found.name, found.protocol, found.endpoint_variable) == (name, protocol, variable)


def test_services_are_found_by_target_and_by_version() -> None:
    """For requests that are not signed."""
    assert DIRECTORY.by_target_prefix["DynamoDB_20120810"].identifier == "dynamodb"
    assert DIRECTORY.by_query_version["2011-06-15"].identifier == "sts"
