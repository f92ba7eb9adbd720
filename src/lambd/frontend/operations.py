"""THE table: operation -> handler. A missing row is a clean 501 and a line in docs/coverage.md."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from lambd.frontend import functions, invocations
from lambd.frontend.lambda_api import Call, LambdaApi, Members

Handler = Callable[[LambdaApi, Call], Awaitable[Members]]

HANDLERS: Mapping[str, Handler] = {
    "CreateFunction": functions.create_function,
    "DeleteFunction": functions.delete_function,
    "GetFunction": functions.get_function,
    "GetFunctionConfiguration": functions.get_function_configuration,
    "Invoke": invocations.invoke,
    "InvokeAsync": invocations.invoke_async,
    "ListFunctions": functions.list_functions,
    "ListTags": functions.list_tags,
    "ListVersionsByFunction": functions.list_versions_by_function,
    "PublishVersion": functions.publish_version,
    "TagResource": functions.tag_resource,
    "UntagResource": functions.untag_resource,
    "UpdateFunctionCode": functions.update_function_code,
    "UpdateFunctionConfiguration": functions.update_function_configuration,
}
