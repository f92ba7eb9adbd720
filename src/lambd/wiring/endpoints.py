"""What settings say of services elsewhere, of access keys, and of the domain of function URLs."""

from __future__ import annotations

from lambd.access.sigv4 import Key
from lambd.aws.clients import Endpoints
from lambd.config import Settings


def url_domain(settings: Settings) -> str:
    """Where function URLs are announced: the domain, and its port unless it is the scheme's own."""
    port = settings.tls_port if settings.tls_certificate else settings.port
    usual = 443 if settings.tls_certificate else 80
    return settings.url_domain if port == usual else f"{settings.url_domain}:{port}"


def access_keys(settings: Settings) -> dict[str, Key]:
    """The account's keys: those that are configured, and the one that functions have."""
    keys = {
        settings.function_access_key_id: Key(
            secret=settings.function_secret_access_key,
            session_token=settings.function_session_token or None,
            # It is the operator's, who may sign with it elsewhere.
            may_omit_token=True,
        )
    }
    for text in settings.access_keys:
        identifier, _, secret = text.partition(":")
        keys[identifier] = Key(secret=secret)
    return keys


def endpoints(settings: Settings) -> Endpoints:
    """Where the services that lambd calls are; None: at AWS."""
    every = settings.aws_endpoint_url
    return Endpoints(
        s3=settings.s3_endpoint_url or every,
        sqs=settings.sqs_endpoint_url or every,
        sns=settings.sns_endpoint_url or every,
        events=settings.events_endpoint_url or every,
    )
