"""Streams what a Python handler generates: AWS's client for Python has no response streaming.

A handler that returns a generator or an async generator of bytes or str streams it. bootstrap.py
imports this file, as `lambd_streaming`, when the first such result appears; it runs inside the
sandbox (Python 3.9 and later, standard library only). It posts the response itself, chunked, over a
connection of its own, as runtime.md section 5 has it. The platform joins the parts for a caller who
wants them whole, so nothing here knows who asks.

What fails before the first part is an ordinary function error, reported by AWS's client; what fails
later goes into the trailers. If the first part is a dict, it is the head of an HTTP response to a
function URL: {"statusCode": 200, "headers": {...}, "cookies": [...]}.
"""

# ruff: noqa: ANN401, UP007
# (what comes is the customer's and AWS's client's, untyped; Python 3.9 has no X | Y)

from __future__ import annotations

import asyncio
import base64
import json
import select
import socket
import sys
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator
    from typing import Any, Union

    Result = Union[Generator[Any, None, Any], AsyncGenerator[Any, None]]
    # Logs the exception under way and gives its document: what AWS's client would report.
    Reporter = Callable[[str], dict[str, Any]]

_HTTP_RESPONSE = "application/vnd.awslambda.http-integration-response"
_BYTES = "application/octet-stream"
# Between that head and the body.
_HEAD_END = bytes(8)
_ANSWER_BYTES = 65536
# Trailers are headers, and those have a limit; an error's document should not come near it.
_ERROR_DOCUMENT_BYTES = 256 * 1024
_ERROR_MESSAGE_CHARACTERS = 32 * 1024


class Streamed:
    """A result that is to be streamed: its parts, of which the first is there."""

    def __init__(self, result: Result) -> None:
        """Run the generator up to its first part; what it raises until then is the caller's."""
        if hasattr(result, "__anext__"):
            self._items: Any = _AsyncItems(result)
        else:
            self._items = result
        self.content_type = _BYTES
        self._first = b""
        try:
            item = next(self._items)
            if isinstance(item, dict):
                self.content_type = _HTTP_RESPONSE
                self._first = json.dumps(item).encode() + _HEAD_END
            else:
                self._first = _part(item)
        except StopIteration:
            self._items = iter(())
        except BaseException:
            _close(self._items)
            raise

    def post(self, address: str, request_id: str, report: Reporter) -> None:
        """Send everything to the Runtime API.

        Raises:
            RuntimeError: it was not accepted, for another reason than its size.
        """
        host, _, port = address.rpartition(":")
        connection = socket.create_connection((host, int(port)))
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._send(connection, address, request_id, report)
        finally:
            connection.close()

    def _send(
        self, connection: socket.socket, address: str, request_id: str, report: Reporter
    ) -> None:
        head = (
            f"POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\r\n"
            f"Host: {address}\r\nContent-Type: {self.content_type}\r\n"
            "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
            "Transfer-Encoding: chunked\r\n"
            "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"
            "\r\n\r\n"
        )
        try:
            connection.sendall(head.encode("latin-1") + _chunk(self._first))
            for chunk in self._chunks(request_id, report):
                connection.sendall(chunk)
                if select.select([connection], [], [], 0)[0]:
                    break  # answered before the end: nobody wants more
            answer = connection.recv(_ANSWER_BYTES)
        except (BrokenPipeError, ConnectionResetError):
            return  # the invocation's time is up, and so is ours in a moment
        finally:
            self._finish(request_id, report)
        status = answer.split(b" ", 2)[1:2]
        if status not in ([b"202"], [b"413"]):
            raise RuntimeError(f"the streamed response was not accepted: {answer[:1000]!r}")

    def _chunks(self, request_id: str, report: Reporter) -> Iterator[bytes]:
        """The chunks after the first part, and the end with its trailers."""
        trailers = b""
        while True:
            try:
                part = _part(next(self._items))
            except StopIteration:
                break
            except Exception as error:  # noqa: BLE001 - the handler's, whatever it is
                trailers = _trailers(type(error).__name__, report(request_id))
                break
            if part:
                yield _chunk(part)
        yield b"0\r\n" + trailers + b"\r\n"

    def _finish(self, request_id: str, report: Reporter) -> None:
        """End the generator, which may have more to say; what it raises now is only logged."""
        try:
            _close(self._items)
        except Exception:  # noqa: BLE001 - the handler's, whatever it is
            report(request_id)


class _AsyncItems:
    """An async generator as an iterator: one task runs all of it, so that its context is one."""

    def __init__(self, result: Any) -> None:
        self._result = result
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._task: Any = None
        self._item: Any = None
        self._wanted: Any = None

    def __iter__(self) -> _AsyncItems:
        """An iterator is its own."""
        return self

    def __next__(self) -> object:
        """Run the loop until the next item."""
        self._item = self._loop.create_future()
        if self._task is None:
            self._task = self._loop.create_task(self._run())
        elif not self._task.done():
            self._wanted.set_result(None)
        self._loop.run_until_complete(
            asyncio.wait([self._item, self._task], return_when=asyncio.FIRST_COMPLETED)
        )
        if self._item.done():
            return self._item.result()
        self._task.result()
        raise StopIteration

    def close(self) -> None:
        """End the generator and its loop."""
        if self._loop.is_closed():
            return
        try:
            if self._task is not None and not self._task.done():
                self._task.cancel()
                self._loop.run_until_complete(asyncio.wait([self._task]))
                if not self._task.cancelled():
                    self._task.result()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()

    async def _run(self) -> None:
        try:
            async for item in self._result:
                self._wanted = self._loop.create_future()
                self._item.set_result(item)
                await self._wanted
        finally:
            await self._result.aclose()


def document(request_id: str, bootstrap: Any) -> dict[str, Any]:
    """The document of the exception under way, made by AWS's client (its module `bootstrap`)."""
    error_class, error, trace = sys.exc_info()
    made: dict[str, Any] = bootstrap.make_error(
        str(error),
        error_class.__name__ if error_class is not None else "",
        traceback.format_list(bootstrap.extract_traceback(without_own_frames(trace))),
        request_id,
    )
    return made


def without_own_frames(trace: Any) -> Any:
    """A traceback that begins in the handler's code and not in this file."""
    own = without_own_frames.__code__.co_filename
    while trace is not None and trace.tb_frame.f_code.co_filename == own:
        trace = trace.tb_next
    return trace


def _part(item: object) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, (bytes, bytearray, memoryview)):
        return bytes(item)
    raise TypeError(f"a streamed response is made of bytes and str, not {type(item).__name__}")


def _chunk(part: bytes) -> bytes:
    # A chunk of nothing would be the end.
    return b"%x\r\n%b\r\n" % (len(part), part) if part else b""


def _trailers(error_type: str, error: dict[str, Any]) -> bytes:
    body = json.dumps(error).encode()
    if len(body) > _ERROR_DOCUMENT_BYTES:
        message = str(error.get("errorMessage"))[:_ERROR_MESSAGE_CHARACTERS]
        body = json.dumps({**error, "errorMessage": message, "stackTrace": []}).encode()
    return (
        b"Lambda-Runtime-Function-Error-Type: %b\r\nLambda-Runtime-Function-Error-Body: %b\r\n"
        % (error_type.encode("ascii", "replace"), base64.b64encode(body))
    )


def _close(items: Any) -> None:
    close = getattr(items, "close", None)
    if close is not None:
        close()
