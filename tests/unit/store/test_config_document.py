"""Configurations as documents, and their fingerprints."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lambd.model.functions import Code, FunctionConfig, LoggingConfig
from lambd.store.config_document import decode_config, encode_config, fingerprint

_ROLE = "arn:aws:iam::000000000000:role/r"
_CODE = Code(sha256="ab" * 32, size_bytes=10)

_text = st.text(max_size=20)
_logging = st.builds(
    LoggingConfig,
    log_format=st.sampled_from(["Text", "JSON"]),
    application_log_level=st.none() | _text,
    system_log_level=st.none() | _text,
    log_group=st.none() | _text,
)
_configs = st.builds(
    FunctionConfig,
    role=_text,
    runtime=st.none() | _text,
    handler=st.none() | _text,
    description=_text,
    timeout_s=st.integers(1, 900),
    memory_mib=st.integers(128, 10240),
    environment=st.none() | st.dictionaries(_text, _text),
    architectures=st.sampled_from([("x86_64",), ("arm64",)]),
    ephemeral_storage_mib=st.integers(512, 10240),
    logging=_logging,
)


@given(_configs)
def test_a_document_holds_the_whole_configuration(config: FunctionConfig) -> None:
    """What was encoded is decoded, with its types."""
    assert decode_config(encode_config(config)) == config


@given(_configs, _configs)
def test_fingerprints_are_equal_exactly_for_equals(
    one: FunctionConfig, other: FunctionConfig
) -> None:
    """A fingerprint stands for the configuration's value."""
    assert (fingerprint(one, _CODE) == fingerprint(other, _CODE)) == (one == other)


def test_the_order_of_variables_makes_no_difference_to_a_fingerprint() -> None:
    """Environment variables are a set of pairs."""
    one = FunctionConfig(role=_ROLE, environment={"AA": "1", "BB": "2"})
    other = replace(one, environment={"BB": "2", "AA": "1"})
    assert fingerprint(one, _CODE) == fingerprint(other, _CODE)


def test_other_code_has_another_fingerprint() -> None:
    """The code counts as well as the configuration."""
    config = FunctionConfig(role=_ROLE)
    assert fingerprint(config, _CODE) != fingerprint(config, replace(_CODE, sha256="cd" * 32))


def test_absent_members_take_the_defaults() -> None:
    """A document of an older lambd, which knew fewer members, stays readable."""
    assert decode_config(f'{{"role":"{_ROLE}"}}') == FunctionConfig(role=_ROLE)
