"""The Extensions API of one sandbox (runtime.md section 4): who has registered, and who is ready.

Extensions are companions of the runtime: external ones are programs of a layer, which the
environment starts before the runtime, internal ones are threads of the runtime's own process. Each
registers for events, asks for the next one when it is ready, and is waited for before an
environment counts as initialised and, if it is subscribed, before an invocation counts as over.

Like `session.py` this is an HTTP application on a socket that only one sandbox can reach, and tells
its owner by callbacks. The states and texts are those of AWS's runtime interface emulator. The
Telemetry API and its predecessor are answered as AWS's own sandboxes without them do: 202, not
supported.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from lambd.http.exchanges import Exchange
from lambd.http.messages import Response
from lambd.model.errors import EXTENSION_EXIT_ERROR, EXTENSION_INIT_ERROR
from lambd.model.invocations import Invocation
from lambd.model.limits import EXTENSIONS
from lambd.runtimeapi.replies import ACCEPTED, JSON, error_reply

EXTENSIONS_BASE = "/2020-01-01/extension/"
_UNSUPPORTED = {
    "/2022-07-01/telemetry": ("Telemetry.NotSupported", "Telemetry API is not supported"),
    "/2020-08-15/logs": ("Logs.NotSupported", "Logs API is not supported"),
}
_IDENTIFIER = "lambda-extension-identifier"
_ERROR_TYPE = "lambda-extension-function-error-type"
_INVOKE, _SHUTDOWN = "INVOKE", "SHUTDOWN"


class ExtensionState(StrEnum):
    """Where an extension stands; the names show in refusals and in the log."""

    STARTED = "Started"
    REGISTERED = "Registered"
    READY = "Ready"
    RUNNING = "Running"
    INIT_ERROR = "InitError"
    EXIT_ERROR = "ExitError"
    LAUNCH_ERROR = "LaunchError"


# Which calls are allowed where. A client that lost its long poll asks for the next event again.
_ALLOWED = {
    ExtensionState.REGISTERED: {ExtensionState.STARTED},
    ExtensionState.READY: {
        ExtensionState.REGISTERED,
        ExtensionState.RUNNING,
        ExtensionState.READY,
    },
    ExtensionState.INIT_ERROR: {ExtensionState.REGISTERED, ExtensionState.INIT_ERROR},
    ExtensionState.EXIT_ERROR: {
        ExtensionState.REGISTERED,
        ExtensionState.READY,
        ExtensionState.RUNNING,
        ExtensionState.EXIT_ERROR,
    },
}
# One that could not begin is about to exit, which fails the init phase: the runtime must not be given
# an event before that.
_WAITED_FOR = frozenset(
    {ExtensionState.REGISTERED, ExtensionState.RUNNING, ExtensionState.INIT_ERROR}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionFacts:
    """What an extension is told about the function when it registers."""

    name: str
    version: str
    handler: str
    account_id: str


@dataclass(slots=True)
class Extension:
    """One extension of the life that the environment now leads."""

    name: str
    is_external: bool
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: ExtensionState = ExtensionState.STARTED
    events: tuple[str, ...] = ()
    # What it reported as the reason of its end.
    error_type: str | None = None
    waiting: Exchange | None = None
    # An event that came while it was busy.
    pending: Response | None = None


class ExtensionEvents(Protocol):
    """What a session tells its owner."""

    def extensions_registered(self) -> None:
        """The last of the external extensions has registered."""

    def extension_ready(self) -> None:
        """An extension asked for its next event."""


class ExtensionSession:
    """See the module header; `reset` before each new life of the environment."""

    def __init__(self, events: ExtensionEvents, function: FunctionFacts) -> None:
        self._events = events
        self._function = function
        self._extensions: dict[str, Extension] = {}
        self._is_closed = False
        # Whether any extension has registered.
        self.is_active = False
        # The first error that an extension reported; it is the reason for whatever ends after it.
        self.fatal_error: str | None = None

    # -- the owner's side

    def reset(self, external: Iterable[str] = ()) -> None:
        """Forget all extensions; expect these programs to register."""
        made = (Extension(name, is_external=True) for name in external)
        self._extensions = {extension.id: extension for extension in made}
        self._is_closed = self.is_active = False
        self.fatal_error = None

    @property
    def extensions(self) -> tuple[Extension, ...]:
        """All of this life."""
        return tuple(self._extensions.values())

    def named(self, name: str) -> Extension | None:
        """The extension of that name."""
        return next((each for each in self._extensions.values() if each.name == name), None)

    @property
    def are_registered(self) -> bool:
        """Whether all external extensions have registered."""
        return all(e.state is not ExtensionState.STARTED for e in self._extensions.values())

    @property
    def are_ready(self) -> bool:
        """Whether nobody has to be waited for: none has to begin, none works on an event."""
        return not any(each.state in _WAITED_FOR for each in self._extensions.values())

    def close_registration(self) -> None:
        """The runtime is initialised: no more extensions may come."""
        self._is_closed = True

    def invoke(self, invocation: Invocation, deadline_ms: int) -> None:
        """Tell those who are subscribed of an invocation that the runtime gets now."""
        event = {
            "eventType": _INVOKE,
            "deadlineMs": deadline_ms,
            "requestId": invocation.request_id,
            "invokedFunctionArn": invocation.invoked_function_arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id},
        }
        self._send(_INVOKE, event)

    def shut_down(self, reason: str, deadline_ms: int) -> frozenset[str]:
        """Tell those who are subscribed that the environment ends; their names."""
        event = {"eventType": _SHUTDOWN, "shutdownReason": reason, "deadlineMs": deadline_ms}
        return self._send(_SHUTDOWN, event)

    def _send(self, kind: str, event: Mapping[str, object]) -> frozenset[str]:
        body = json.dumps(event).encode()
        subscribed = [each for each in self._extensions.values() if kind in each.events]
        for extension in subscribed:
            identifier = ("Lambda-Extension-Event-Identifier", str(uuid.uuid4()))
            extension.pending = Response(200, [JSON, identifier], body)
            _deliver(extension)
        return frozenset(extension.name for extension in subscribed)

    # -- the extensions' side

    def handle(self, exchange: Exchange) -> bool:
        """Take one call; False if the path is none of this API's."""
        request = exchange.request
        if request.path in _UNSUPPORTED and request.method == "PUT":
            error_type, message = _UNSUPPORTED[request.path]
            exchange.respond(error_reply(202, error_type, message))
            return True
        if not request.path.startswith(EXTENSIONS_BASE):
            return False
        call = (request.method, request.path[len(EXTENSIONS_BASE) :])
        if call == ("POST", "register"):
            self._register(exchange)
        elif call == ("GET", "event/next"):
            self._next(exchange)
        elif call == ("POST", "init/error"):
            self._report_error(exchange, ExtensionState.INIT_ERROR, EXTENSION_INIT_ERROR)
        elif call == ("POST", "exit/error"):
            self._report_error(exchange, ExtensionState.EXIT_ERROR, EXTENSION_EXIT_ERROR)
        else:
            return False
        return True

    def _register(self, exchange: Exchange) -> None:
        headers = exchange.request.headers
        name = headers.get("lambda-extension-name", "")
        if not name:
            _refuse(exchange, "InvalidExtensionName", "Empty extension name")
            return
        events = _events_of(exchange)
        if events is None:
            return
        extension = self.named(name)
        if extension is None or not extension.is_external:
            extension = self._make_internal(exchange, name, events)
            if extension is None:
                return
        elif (fault := _fault_of(events, allowed=(_INVOKE, _SHUTDOWN))) is not None:
            _refuse(exchange, "InvalidEventType", fault)
            return
        if not _advance(exchange, extension, ExtensionState.REGISTERED):
            return
        extension.events = events
        self.is_active = True
        self._confirm(exchange, extension)
        if extension.is_external and self.are_registered:
            self._events.extensions_registered()

    def _make_internal(
        self, exchange: Exchange, name: str, events: tuple[str, ...]
    ) -> Extension | None:
        """A new extension inside the runtime's process; None if it is refused."""
        fault = _fault_of(events, allowed=(_INVOKE,))
        if fault is not None:
            _refuse(exchange, "InvalidEventType", fault)
        elif self._is_closed:
            _refuse(exchange, "RegistrationClosed", "Extension registration closed already")
        elif self.named(name) is not None:
            message = "Extension with this name already registered"
            _refuse(exchange, "InvalidExtensionState", message)
        elif len(self._extensions) >= EXTENSIONS:
            _refuse(exchange, "TooManyExtensions", f"Extension limit ({EXTENSIONS}) reached")
        else:
            extension = Extension(name, is_external=False)
            self._extensions[extension.id] = extension
            return extension
        return None

    def _confirm(self, exchange: Exchange, extension: Extension) -> None:
        function = self._function
        body = {
            "functionName": function.name,
            "functionVersion": function.version,
            "handler": function.handler,
        }
        features = exchange.request.headers.get("lambda-extension-accept-feature", "")
        if "accountId" in (feature.strip() for feature in features.split(",")):
            body["accountId"] = function.account_id
        headers = [JSON, ("Lambda-Extension-Identifier", extension.id)]
        exchange.respond(Response(200, headers, json.dumps(body).encode()))

    def _next(self, exchange: Exchange) -> None:
        extension = self._identified(exchange)
        if extension is None or not _advance(exchange, extension, ExtensionState.READY):
            return
        stale, extension.waiting = extension.waiting, exchange
        if stale is not None:
            _refuse(stale, "InvalidExtensionState", "Superseded by a newer call")
        if extension.pending is not None:
            _deliver(extension)
        self._events.extension_ready()

    def _report_error(self, exchange: Exchange, state: ExtensionState, error_type: str) -> None:
        extension = self._identified(exchange)
        if extension is None:
            return
        reported = exchange.request.headers.get(_ERROR_TYPE)
        if not reported:
            header = "Lambda-Extension-Function-Error-Type"
            _refuse(exchange, "MissingHeader", f"{header} not found")
        elif _advance(exchange, extension, state):
            extension.error_type = reported
            self.fatal_error = self.fatal_error or error_type
            exchange.respond(ACCEPTED)

    def _identified(self, exchange: Exchange) -> Extension | None:
        """The extension that calls; None if it has been refused."""
        given = exchange.request.headers.get(_IDENTIFIER)
        if not given:
            message = "Missing Lambda-Extension-Identifier header"
            _refuse(exchange, "MissingExtensionIdentifier", message)
            return None
        try:
            identifier = str(uuid.UUID(given))
        except ValueError:
            message = "Invalid Lambda-Extension-Identifier"
            _refuse(exchange, "InvalidExtensionIdentifier", message)
            return None
        extension = self._extensions.get(identifier)
        if extension is None:
            _refuse(exchange, "UnknownExtensionIdentifier", f"Unknown extension {identifier}")
        return extension


def _deliver(extension: Extension) -> None:
    """Hand over the event that an extension has not had yet, if it waits for one."""
    waiting, extension.waiting = extension.waiting, None
    pending = extension.pending
    if waiting is not None and pending is not None:
        extension.state = ExtensionState.RUNNING
        extension.pending = None
        waiting.respond(pending)


def _advance(exchange: Exchange, extension: Extension, state: ExtensionState) -> bool:
    """Move an extension on; False if it may not, and has been told so."""
    if extension.state in _ALLOWED[state]:
        extension.state = state
        return True
    who = extension.name if state is ExtensionState.REGISTERED else extension.id
    _refuse(
        exchange,
        "InvalidExtensionState",
        f"State transition from {extension.state} to {state} failed for extension {who}. "
        "Error: State transition is not allowed",
    )
    return False


def _events_of(exchange: Exchange) -> tuple[str, ...] | None:
    """The events that a registration asks for; None if it has been refused."""
    try:
        document = json.loads(exchange.request.body)
    except ValueError as error:
        exchange.respond(error_reply(403, "InvalidRequestFormat", str(error)))
        return None
    events = document.get("events") if isinstance(document, dict) else ()
    events = [] if events is None else events
    if not isinstance(events, list) or not all(isinstance(event, str) for event in events):
        exchange.respond(
            error_reply(403, "InvalidRequestFormat", "events must be a list of strings")
        )
        return None
    return tuple(dict.fromkeys(events))


def _fault_of(events: Iterable[str], *, allowed: tuple[str, ...]) -> str | None:
    """Why one cannot subscribe to these."""
    for event in events:
        if event not in allowed:
            is_shutdown = event == _SHUTDOWN
            why = "ShutdownEventNotSupportedForInternalExtension" if is_shutdown else "InvalidEvent"
            return f"{event}: {why}"
    return None


def _refuse(exchange: Exchange, error_type: str, message: str) -> None:
    exchange.respond(error_reply(403, f"Extension.{error_type}", message))
