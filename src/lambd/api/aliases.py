"""Handlers of the operations on aliases."""

from __future__ import annotations

from collections.abc import Mapping

from lambd.api.call import Call, LambdaApi, Members
from lambd.control import aliases
from lambd.control.aliases import CreateAliasRequest, UpdateAliasRequest
from lambd.model.aliases import Alias
from lambd.model.arns import parse_unqualified


async def create_alias(api: LambdaApi, call: Call) -> Members:
    """CreateAlias."""
    params = call.params
    request = CreateAliasRequest(
        function_name=parse_unqualified(params["FunctionName"], api.scope),
        name=params["Name"],
        version=params["FunctionVersion"],
        description=params.get("Description", ""),
        weights=_weights(params) or {},
    )
    return _shape(
        api, await api.database.run(aliases.create_alias, api.context(call.principal), request)
    )


async def get_alias(api: LambdaApi, call: Call) -> Members:
    """GetAlias."""
    function_name = parse_unqualified(call.params["FunctionName"], api.scope)
    found = await api.database.read(
        aliases.get_alias, api.context(call.principal), function_name, call.params["Name"]
    )
    return _shape(api, found)


async def list_aliases(api: LambdaApi, call: Call) -> Members:
    """ListAliases."""
    params = call.params
    page = await api.database.read(
        aliases.list_aliases,
        api.context(call.principal),
        parse_unqualified(params["FunctionName"], api.scope),
        version=params.get("FunctionVersion"),
        marker=params.get("Marker"),
        max_items=params.get("MaxItems"),
    )
    reply: Members = {"Aliases": [_shape(api, alias) for alias in page.items]}
    if page.next_marker is not None:
        reply["NextMarker"] = page.next_marker
    return reply


async def update_alias(api: LambdaApi, call: Call) -> Members:
    """UpdateAlias: absent members stay as they are, an empty RoutingConfig is removed."""
    params = call.params
    request = UpdateAliasRequest(
        function_name=parse_unqualified(params["FunctionName"], api.scope),
        name=params["Name"],
        version=params.get("FunctionVersion"),
        description=params.get("Description"),
        weights=_weights(params),
        revision_id=params.get("RevisionId"),
    )
    return _shape(
        api, await api.database.run(aliases.update_alias, api.context(call.principal), request)
    )


async def delete_alias(api: LambdaApi, call: Call) -> Members:
    """DeleteAlias: 204 whether or not it was there."""
    function_name = parse_unqualified(call.params["FunctionName"], api.scope)
    await api.database.run(
        aliases.delete_alias, api.context(call.principal), function_name, call.params["Name"]
    )
    return {}


def _weights(params: Members) -> Mapping[str, float] | None:
    routing: Mapping[str, Mapping[str, float]] | None = params.get("RoutingConfig")
    return None if routing is None else routing.get("AdditionalVersionWeights", {})


def _shape(api: LambdaApi, alias: Alias) -> Members:
    """`AliasConfiguration`; RoutingConfig is absent when there is one version only [L]."""
    reply: Members = {
        "AliasArn": api.scope.function_arn(alias.function_name, alias.name),
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.additional is not None:
        additional = alias.additional
        weights = {additional.version: additional.weight}
        reply["RoutingConfig"] = {"AdditionalVersionWeights": weights}
    return reply
