"""Layers in the document of a configuration."""

from __future__ import annotations

from dataclasses import replace

from lambd.model.functions import Code, FunctionConfig, FunctionLayer
from lambd.store.config_document import LAYERS_MARK, decode_config, encode_config, fingerprint

_CONFIG = FunctionConfig(role="arn:aws:iam::000000000000:role/r", runtime="python3.12")
_CODE = Code(sha256="ab" * 32, size_bytes=10)
_ONE = FunctionLayer(arn="arn:1", code=Code(sha256="cd" * 32, size_bytes=3, unpacked_bytes=5))
_TWO = FunctionLayer(arn="arn:2", code=Code(sha256="ef" * 32, size_bytes=4, unpacked_bytes=6))


def test_layers_are_in_the_document_in_order() -> None:
    """With all that a function holds of them."""
    config = replace(_CONFIG, layers=(_TWO, _ONE))
    assert decode_config(encode_config(config)) == config


def test_order_and_presence_of_layers_make_the_fingerprint() -> None:
    """Each list is another configuration."""
    lists = [(), (_ONE,), (_TWO,), (_ONE, _TWO), (_TWO, _ONE)]
    prints = {fingerprint(replace(_CONFIG, layers=layers), _CODE) for layers in lists}
    assert len(prints) == len(lists)


def test_without_layers_the_document_is_as_it_always_was() -> None:
    """So that versions published before there were layers are still told to be unchanged."""
    assert encode_config(_CONFIG) == (
        '{"architectures":["x86_64"],"description":"","environment":null,'
        '"ephemeral_storage_mib":512,"handler":null,"logging":{"application_log_level":null,'
        '"log_format":"Text","log_group":null,"system_log_level":null},"memory_mib":128,'
        '"package_type":"Zip","role":"arn:aws:iam::000000000000:role/r","runtime":"python3.12",'
        '"timeout_s":3,"tracing_mode":"PassThrough"}'
    )


def test_the_mark_is_in_documents_with_layers_only() -> None:
    """Whatever a description says."""
    quoting = replace(_CONFIG, description=LAYERS_MARK, environment={LAYERS_MARK: LAYERS_MARK})
    assert LAYERS_MARK not in encode_config(quoting)
    assert LAYERS_MARK in encode_config(replace(_CONFIG, layers=(_ONE,)))
