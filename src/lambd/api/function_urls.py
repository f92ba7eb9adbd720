"""Handlers of the operations on function URLs; what answers the URLs is `urls/serve.py`."""

from __future__ import annotations

from datetime import datetime

from lambd.api.call import Call, LambdaApi, Members
from lambd.control import function_urls
from lambd.control.function_urls import FunctionUrlChanges
from lambd.model.arns import LATEST, FunctionReference, parse_function_reference
from lambd.model.function_controls import Cors, FunctionUrl, InvokeMode, UrlAuthType


async def create_function_url_config(api: LambdaApi, call: Call) -> Members:
    """CreateFunctionUrlConfig; InvokeMode is in the reply only if it was sent."""
    url = await api.database.run(
        function_urls.create_function_url, api.context(call.principal), _changes(api, call.params)
    )
    reply = _url(api, url)
    del reply["LastModifiedTime"]
    if url.invoke_mode is None:
        del reply["InvokeMode"]
    return reply


async def get_function_url_config(api: LambdaApi, call: Call) -> Members:
    """GetFunctionUrlConfig."""
    reference = _reference(api, call.params)
    return _url(
        api,
        await api.database.read(
            function_urls.get_function_url, api.context(call.principal), reference
        ),
    )


async def list_function_url_configs(api: LambdaApi, call: Call) -> Members:
    """ListFunctionUrlConfigs."""
    params = call.params
    page = await api.database.read(
        function_urls.list_function_urls,
        api.context(call.principal),
        parse_function_reference(params["FunctionName"], api.scope).name,
        marker=params.get("Marker"),
        max_items=params.get("MaxItems"),
    )
    reply: Members = {"FunctionUrlConfigs": [_url(api, url) for url in page.items]}
    if page.next_marker is not None:
        reply["NextMarker"] = page.next_marker
    return reply


async def update_function_url_config(api: LambdaApi, call: Call) -> Members:
    """UpdateFunctionUrlConfig."""
    changes = _changes(api, call.params)
    return _url(
        api,
        await api.database.run(
            function_urls.update_function_url, api.context(call.principal), changes
        ),
    )


async def delete_function_url_config(api: LambdaApi, call: Call) -> Members:
    """DeleteFunctionUrlConfig."""
    reference = _reference(api, call.params)
    await api.database.run(
        function_urls.delete_function_url, api.context(call.principal), reference
    )
    return {}


def _reference(api: LambdaApi, params: Members) -> FunctionReference:
    return parse_function_reference(params["FunctionName"], api.scope, params.get("Qualifier"))


def _changes(api: LambdaApi, params: Members) -> FunctionUrlChanges:
    auth_type, mode, cors = params.get("AuthType"), params.get("InvokeMode"), params.get("Cors")
    return FunctionUrlChanges(
        function=_reference(api, params),
        auth_type=None if auth_type is None else UrlAuthType(auth_type),
        invoke_mode=None if mode is None else InvokeMode(mode),
        cors=None if cors is None else _cors(cors),
    )


def _cors(members: Members) -> Cors:
    return Cors(
        allow_credentials=members.get("AllowCredentials"),
        allow_headers=_texts(members, "AllowHeaders"),
        allow_methods=_texts(members, "AllowMethods"),
        allow_origins=_texts(members, "AllowOrigins"),
        expose_headers=_texts(members, "ExposeHeaders"),
        max_age_s=members.get("MaxAge"),
    )


def _texts(members: Members, name: str) -> tuple[str, ...] | None:
    values = members.get(name)
    return None if values is None else tuple(values)


def _url(api: LambdaApi, url: FunctionUrl) -> Members:
    qualifier = None if url.qualifier == LATEST else url.qualifier
    reply: Members = {
        "FunctionUrl": api.function_url(url.id),
        "FunctionArn": api.scope.function_arn(url.function_name, qualifier),
        "AuthType": url.auth_type.value,
        "CreationTime": _time(url.created_at),
        "LastModifiedTime": _time(url.last_modified),
        "InvokeMode": (url.invoke_mode or InvokeMode.BUFFERED).value,
    }
    if url.cors is not None:
        members = {
            "AllowCredentials": url.cors.allow_credentials,
            "AllowHeaders": _listed(url.cors.allow_headers),
            "AllowMethods": _listed(url.cors.allow_methods),
            "AllowOrigins": _listed(url.cors.allow_origins),
            "ExposeHeaders": _listed(url.cors.expose_headers),
            "MaxAge": url.cors.max_age_s,
        }
        reply["Cors"] = {key: value for key, value in members.items() if value is not None}
    return reply


def _listed(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)


def _time(moment: datetime) -> str:
    """`2026-11-23T10:15:30.123456Z`."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"
