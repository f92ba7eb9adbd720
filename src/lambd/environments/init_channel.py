"""The talk with a sandbox's init process: what it is told to start, and what it says has ended.

Packets are those of `runtimes/shims/init.py`. Code inside may have taken init over, so a packet
that init would not send ends the environment.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from lambd.environments.callback_root import CallbackRoot
from lambd.sandbox.driver import Sandbox

_log = structlog.get_logger(__name__)

# Largest packet that init may send.
_PACKET_BYTES = 64 * 1024
_MESSAGE_CHARS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How init starts a process; see `runtimes/shims/init.py`."""

    # What its process is called; unique among those of an environment.
    name: str
    mode: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    # Of these, the first that exists takes the place of `argv[0]`.
    programs: tuple[str, ...] = ()


class InitListener(Protocol):
    """Whom a channel tells what happens inside."""

    def process_exited(self, name: str, wait_status: int | None) -> None:
        """A started process has ended by itself; `wait_status` as from waitpid."""

    def process_start_failed(self, name: str, message: str) -> None:
        """A process could not be started; the text is AWS's."""

    def all_killed(self) -> None:
        """Nothing but init is left, as `kill_all` asked."""

    def init_lost(self) -> None:
        """Init has ended, or is not what it was: the sandbox is of no more use."""


class InitChannel:
    """See the module header. All methods run on the event loop."""

    def __init__(self, root: CallbackRoot, sandbox: Sandbox, listener: InitListener) -> None:
        self._root = root
        self._sandbox = sandbox
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        # Names of processes that were started and have not ended.
        self.processes: set[str] = set()
        self._loop.add_reader(sandbox.control.fileno(), root.run, self._read)

    def start(self, program: Program) -> None:
        """Start a process."""
        self.processes.add(program.name)
        self._send(
            {
                "start": program.name,
                "mode": program.mode,
                "argv": list(program.argv),
                "env": dict(program.env),
                "cwd": program.cwd,
                "programs": list(program.programs),
            }
        )

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a process and those of its group."""
        self._send({"signal": name, "number": number})

    def kill_all(self) -> None:
        """Kill everything inside but init."""
        self.processes.clear()
        self._send({"kill": True})

    def close(self) -> None:
        """Stop listening; the sandbox closes the socket."""
        self._loop.remove_reader(self._sandbox.control.fileno())

    def _send(self, message: Mapping[str, object]) -> None:
        """Send one packet; a sandbox that cannot take it is broken."""
        try:
            self._sandbox.control.send(json.dumps(message).encode())
        except OSError as error:
            _log.warning("control_send_failed", sandbox=self._sandbox.id, error=str(error))
            self._listener.init_lost()

    def _read(self) -> None:
        try:
            packet = self._sandbox.control.recv(_PACKET_BYTES)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._listener.init_lost()
            return
        try:
            self._handle(json.loads(packet))
        except (ValueError, TypeError, AttributeError, KeyError):
            # Only hostile code that took over init sends what init does not.
            _log.warning("control_packet_invalid", sandbox=self._sandbox.id)
            self._listener.init_lost()

    def _handle(self, message: Mapping[str, object]) -> None:
        name = message.get("exited") or message.get("start_failed")
        if message.get("killed") is True:
            self._listener.all_killed()
        elif isinstance(name, str) and name in self.processes:
            self.processes.discard(name)
            if "exited" in message:
                status = message["status"]
                # What the process posted before it ended is in our socket by now, perhaps unread:
                # let this loop step's other events go first.
                self._root.call_soon(
                    self._listener.process_exited, name, status if isinstance(status, int) else None
                )
            else:
                text = str(message.get("message", ""))[:_MESSAGE_CHARS]
                self._listener.process_start_failed(name, text)
