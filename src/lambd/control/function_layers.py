"""The layers of a function: which it may have, and how large all of it may be together.

Source: api.md sections 3.4 and 12, and LocalStack's validated tests for the order of the checks.
Texts marked [K] are from experience with AWS, not recorded.
"""

from __future__ import annotations

from collections.abc import Sequence

from lambd.control.context import ControlContext
from lambd.control.layers import not_authorized
from lambd.model.errors import InvalidParameterError
from lambd.model.functions import Code, FunctionConfig, FunctionLayer
from lambd.model.layers import GET_LAYER_VERSION, layer_arn, parse_layer_arn
from lambd.store import layers as rows
from lambd.store.database import Connection


def resolve_layers(
    connection: Connection, context: ControlContext, arns: Sequence[str]
) -> tuple[FunctionLayer, ...]:
    """The layer versions that a caller wants a function to have, in order.

    Raises:
        InvalidParameterError: too many, two of one layer, another region's, or one is not there.
        AccessDeniedError: one is another account's.
    """
    most = context.limits.layers_per_function
    if len(arns) > most:
        raise InvalidParameterError(f"Cannot reference more than {most} layers.")
    seen: dict[str, str] = {}
    layers: list[FunctionLayer] = []
    for arn in arns:
        layers.append(_resolve(connection, context, arn))
        layer = arn.rpartition(":")[0]
        if layer in seen:
            raise InvalidParameterError(
                "Two different versions of the same layer are not allowed to be referenced in the "
                f"same function. {seen[layer]} and {arn} are versions of the same layer."
            )
        seen[layer] = arn
    return tuple(layers)


def check_unpacked_size(context: ControlContext, config: FunctionConfig, code: Code) -> None:
    """Raise InvalidParameterError if code and layers are too large together, unpacked.

    Code by itself has been checked when it was received.
    """
    if not config.layers:
        return
    limit = context.limits.unzipped_code_bytes
    size = code.unpacked_bytes + sum(layer.code.unpacked_bytes for layer in config.layers)
    if size > limit:
        raise InvalidParameterError(  # [K]
            "Function code combined with layers exceeds the maximum allowed size of "
            f"{limit} bytes. The actual size is {size} bytes."
        )


def _resolve(connection: Connection, context: ControlContext, arn: str) -> FunctionLayer:
    scope = context.scope
    parsed = parse_layer_arn(arn)
    if parsed is None or parsed.number is None:
        # AWS's own layers, `arn:aws:lambda:::awslayer:<name>`, are nowhere but there.
        raise _missing(arn)
    if (parsed.partition, parsed.account_id) != (scope.partition, scope.account_id):
        raise not_authorized(context, arn, GET_LAYER_VERSION)
    if parsed.region != scope.region:
        raise InvalidParameterError(
            "Layers are not in the same region as the function. Layers are expected to be in "
            f"region {scope.region}."
        )
    version = rows.get_version(connection, parsed.name, parsed.number)
    if version is None:
        raise _missing(arn)
    return FunctionLayer(arn=layer_arn(scope, version.name, version.number), code=version.code)


def _missing(arn: str) -> InvalidParameterError:
    return InvalidParameterError(f"Layer version {arn} does not exist.")
