"""`/var/runtime/bootstrap.py`: sets up the search path as AWS does, then runs AWS's own client.

This file runs inside the sandbox, as the program of an interpreter of its own or through `runpy`
in a child that the init shim forked; it must work with Python 3.9 and import the standard library
only. The platform never imports it; the unit tests do. The order of the search path is AWS's
(python-image page of the developer guide): the task root, layers, the interpreter's own packages
(behind the runtime's before Python 3.11), the runtime, the standard library.

Beyond AWS, handlers may return generators, whose parts are streamed (shims/streaming.py).
"""

# ruff: noqa: ANN401 - what comes is the customer's and AWS's client's, untyped

from __future__ import annotations

import importlib
import os
import site
import sys
import time
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PACKAGE_DIRECTORIES = ("site-packages", "dist-packages")
_LOG_SETTINGS = ("AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL")


def search_path(
    current: list[str],
    *,
    version: tuple[int, int],
    task_root: str,
    runtime_dir: str,
    opt: str,
    has_pythonpath: bool,
) -> list[str]:
    """Compose `sys.path` from what the interpreter started with; a customer's PYTHONPATH stays.

    As on AWS, a customer who sets PYTHONPATH takes the layers from the front of the path.
    """
    rest = [entry for entry in current if entry not in ("", runtime_dir)]
    packages = [entry for entry in rest if os.path.basename(entry) in _PACKAGE_DIRECTORIES]  # noqa: PTH119
    library = [entry for entry in rest if entry not in packages]
    layers = [] if has_pythonpath else layer_directories(opt, version)
    if version >= (3, 11):
        return [task_root, *layers, *packages, runtime_dir, *library]
    return [task_root, *layers, runtime_dir, *library, *packages]


def layer_directories(opt: str, version: tuple[int, int]) -> list[str]:
    """Where layers put Python packages."""
    return [
        "{}/python/lib/python{}.{}/site-packages".format(opt, *version),
        f"{opt}/python",
    ]


def _forget_log_settings() -> None:
    """Have AWS's client read its log settings again if the init shim imported it without them."""
    if not any(name in os.environ for name in _LOG_SETTINGS):
        return
    for module in ("bootstrap", "__main__"):
        sys.modules.pop(f"awslambdaric.{module}", None)
    package = sys.modules.get("awslambdaric")
    if package is not None and hasattr(package, "bootstrap"):
        del package.bootstrap


def let_generators_stream(bootstrap: Any, runtime_client: Any) -> None:
    """Teach AWS's client, given as two of its modules, what to do with a handler's generator.

    All other results take AWS's way, after one look at their type.
    """
    client_class, marshaller_class = (
        runtime_client.LambdaRuntimeClient,
        runtime_client.LambdaMarshaller,
    )
    marshal, post, make_log_sink = (
        marshaller_class.marshal_response,
        client_class.post_invocation_result,
        bootstrap.create_log_sink,
    )
    # DEVIATION: on AWS a handler in Python cannot stream, and a generator is a marshalling error.
    generators = (types.GeneratorType, types.AsyncGeneratorType)
    log_sinks: list[Any] = []

    def create_log_sink() -> Any:
        log_sinks.append(make_log_sink())
        return log_sinks[-1]

    def marshal_response(self: Any, response: Any) -> tuple[Any, str]:
        if type(response) in generators:
            streaming = importlib.import_module("lambd_streaming")
            try:
                streamed = streaming.Streamed(response)
            except Exception as error:  # noqa: BLE001 - the handler's, whatever it is
                # AWS's client leaves this file's frames out of the stack trace, not that one's.
                frames = error.__traceback__ and error.__traceback__.tb_next
                raise error.with_traceback(streaming.without_own_frames(frames))  # noqa: B904
            return streamed, streamed.content_type
        marshalled: tuple[Any, str] = marshal(self, response)
        return marshalled

    def report(request_id: str) -> dict[str, Any]:
        error: dict[str, Any] = sys.modules["lambd_streaming"].document(request_id, bootstrap)
        bootstrap.log_error(error, log_sinks[-1])
        return error

    def post_invocation_result(self: Any, invoke_id: str, result_data: Any, *rest: Any) -> None:
        if isinstance(result_data, (str, bytes)):
            post(self, invoke_id, result_data, *rest)
        else:
            result_data.post(self.lambda_runtime_address, invoke_id, report)

    bootstrap.create_log_sink = create_log_sink
    marshaller_class.marshal_response = marshal_response
    client_class.post_invocation_result = post_invocation_result


def _finish_site() -> None:
    """Do what `site` does for programs: the shim's interpreter starts with `-S`."""
    site.setquit()
    site.setcopyright()
    site.sethelper()


def main() -> None:
    """Run the function that the environment describes; does not return."""
    runtime_dir = os.environ["LAMBDA_RUNTIME_DIR"]
    task_root = os.environ["LAMBDA_TASK_ROOT"]
    # The process driver's layers are elsewhere.
    opt = os.environ.pop("_LAMBD_OPT", "/opt")
    if runtime_dir not in sys.path:
        sys.path.insert(0, runtime_dir)
    _forget_log_settings()
    # Before the task root is on the path: fewer directories to look in, and a function's own
    # package of that name cannot replace the client.
    client = importlib.import_module("awslambdaric.__main__")
    let_generators_stream(
        sys.modules["awslambdaric.bootstrap"], sys.modules["awslambdaric.lambda_runtime_client"]
    )

    has_pythonpath = "PYTHONPATH" in os.environ
    version = sys.version_info[:2]
    sys.path[:] = search_path(
        sys.path,
        version=version,
        task_root=task_root,
        runtime_dir=runtime_dir,
        opt=opt,
        has_pythonpath=has_pythonpath,
    )
    for directory in [task_root, *layer_directories(opt, version)]:
        site.addsitedir(directory)
    if not has_pythonpath:
        os.environ["PYTHONPATH"] = runtime_dir
    if sys.flags.no_site:
        _finish_site()
    time.tzset()
    client.main([sys.argv[0], os.environ["_HANDLER"]])


if __name__ == "__main__":
    main()
