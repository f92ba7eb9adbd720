"""Child processes without asyncio's child watcher: posix_spawn, and exits seen through pidfds.

An OCI runtime leaves the sandbox's init behind as our child (we are child subreaper), which no
subprocess module knows of; so the same few lines serve both kinds of children.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from lambd.sandbox.driver import SandboxExit

# Descriptors for a child are moved above this first, so that no dup2 overwrites a later source.
_FIRST_FREE_FD = 32


def spawn(
    argv: Sequence[str],
    environment: Mapping[str, str],
    descriptors: Sequence[int],
    *,
    new_session: bool = False,
) -> int:
    """Start a program whose descriptors 0..n are the given ones, as a batch process.

    Of our other descriptors it gets those that are not close-on-exec: none that Python opened.

    Args:
        argv: absolute path of the program and its arguments.
        environment: the whole environment.
        descriptors: ours; the child sees the first as 0, the second as 1 and so on.
        new_session: make it the leader of a session of its own.

    Returns:
        The process id; whoever calls this must reap it.

    Raises:
        OSError: the program cannot be executed.
    """
    sources = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_FD) for fd in descriptors]
    try:
        pid = os.posix_spawn(
            argv[0],
            list(argv),
            dict(environment),
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, n) for n, fd in enumerate(sources)],
            setsid=new_session,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGXFSZ],
        )
    finally:
        for fd in sources:
            os.close(fd)
    # Batch processes do not push aside what runs when they wake: not the platform, which has just
    # written to them and still has to answer somebody, and not each other. Children inherit it;
    # glibc's posix_spawn refuses this policy.
    os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))
    return pid


class Child:
    """A child process, reaped when it ends."""

    # Of all children that are watched: nobody else may reap them.
    _watched: ClassVar[set[int]] = set()

    def __init__(self, pid: int, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a process that is (or has just become) our child.

        Raises:
            OSError: there is no such process, or no descriptor left.
        """
        self.pid = pid
        self._loop = loop
        self._pidfd = os.pidfd_open(pid)
        self._watched.add(pid)
        self._exit: asyncio.Future[SandboxExit] = loop.create_future()
        self._watch = select.poll()
        self._watch.register(self._pidfd, select.POLLIN)
        loop.add_reader(self._pidfd, self._on_exit)

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._pidfd)
        result = _reap(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        self._watched.discard(self.pid)
        if not self._exit.done():
            self._exit.set_result(result)

    @classmethod
    def is_watched(cls, pid: int) -> bool:
        """Whether somebody waits for a process."""
        return pid in cls._watched

    @property
    def has_exited(self) -> bool:
        """Whether it has ended and been reaped."""
        return self._pidfd < 0

    @property
    def is_running(self) -> bool:
        """Whether it runs at this moment, though the loop may not have heard of its end."""
        return self._pidfd >= 0 and not self._watch.poll(0)

    def call_at_exit(self, callback: Callable[[], None]) -> None:
        """Call back from the loop when it has been reaped."""
        self._exit.add_done_callback(lambda _: callback())

    def send_signal(self, number: int) -> None:
        """Signal it; nothing happens when it has ended."""
        if self._pidfd >= 0:
            try:
                signal.pidfd_send_signal(self._pidfd, number)
            except ProcessLookupError:
                return  # a zombie: the reader is about to reap it

    async def wait(self) -> SandboxExit:
        """Wait for its end; any number of callers may."""
        return await asyncio.shield(self._exit)


def is_own_child(pid: int) -> bool:
    """Whether a process, running or ended, is ours to wait for."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def children_of(pid: int) -> list[int]:
    """Process ids of a process's children by its main thread, and of orphans that came to it.

    None where the kernel is built without its list of children.
    """
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except FileNotFoundError:
        return []


def is_doomed(pid: int) -> bool:
    """Whether a process has ended, or will as soon as it may run: SIGKILL waits for it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return True
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    pending = int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)
    return fields["State"][0] in "ZX" or bool(pending >> (signal.SIGKILL - 1) & 1)


def adopt_orphans(commands: Collection[str], loop: asyncio.AbstractEventLoop) -> None:
    """See to it that processes of some programs that were left to us are reaped when they end.

    A kernel without its list of children keeps them as zombies.

    Args:
        commands: the programs' file names.
        loop: the running loop.
    """
    for pid in children_of(os.getpid()):
        if Child.is_watched(pid):
            continue
        try:
            name = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")[0]
            # The kernel keeps 15 bytes of a name.
            if name in {command[:15] for command in commands}:
                Child(pid, loop)
        except (FileNotFoundError, ProcessLookupError):
            continue  # somebody else has waited for it


def _reap(pidfd: int) -> SandboxExit:
    """Collect an ended child's status."""
    try:
        info = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    except ChildProcessError:
        # Someone else waited for all children. Ended it has; how, nobody can tell any more.
        return SandboxExit()
    if info is None:
        return SandboxExit()
    if info.si_code == os.CLD_EXITED:
        return SandboxExit(status=info.si_status)
    return SandboxExit(signal=info.si_status)
