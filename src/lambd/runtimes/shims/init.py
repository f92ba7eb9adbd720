"""The first process of a sandbox: starts what it is told, reports how it ends, kills the rest.

Run by the sandbox's own Python (3.9 to 3.14) without lambd around it, so it imports the standard
library only, and little of it: its start and its memory are part of every environment. Descriptors:
0 /dev/null, 1 and 2 the log, 3 the telemetry log, 4 the control socket (SOCK_SEQPACKET, one JSON
object a packet).

To lambd: {"ready": true}, {"started": NAME, "pid": N}, {"start_failed": NAME, "errno": N,
"message": S}, {"exited": NAME, "status": raw wait status} once for each started process unless a
"kill" took it, {"killed": true}.
From lambd: {"start": NAME, "mode": "exec" | "fork", "argv": [...], "env": {...}, "cwd": S,
"programs": [...]}: the first of the programs, if any, that exists takes the place of argv[0];
{"signal": NAME, "number": N}: signal a started process and its group, if it has not ended;
{"kill": true}: kill everything but this process, reap it, answer "killed".
The end of the control socket ends this process and thereby (process 1 of its namespace) all others.
Without a namespace of its own it is made the reaper of orphans and kills what it finds below it.
"""

# ruff: noqa: PLC0415, PTH109, PTH113, PTH120, PTH123, PTH208, S606, SIM105
# (imports where needed; pathlib, contextlib and subprocess cost start-up time and memory)

from __future__ import annotations

import errno
import os
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from io import TextIOWrapper  # noqa: F401 - named in a cast
    from typing import Any, NoReturn, cast
else:  # the modules above are slow to import and nothing here needs them to run
    import _signal

    def cast(_: object, value: object) -> object:
        """typing.cast."""
        return value


CONTROL_FD = 4
# Larger than any packet: the sender's socket buffer limits those.
PACKET_BYTES = 1 << 20
# Signals that the interpreter ignores at its start and programs expect as they were.
RESTORED_SIGNALS = (_signal.SIGPIPE, _signal.SIGXFSZ)


class Init:
    """State of the init process: named children and the control socket."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.is_first = os.getpid() == 1
        self.wakeup_read, self.wakeup_write = os.pipe()
        for fd in (self.wakeup_read, self.wakeup_write):
            os.set_blocking(fd, False)
        os.set_inheritable(CONTROL_FD, False)
        # Code inside runs under our user id and may signal us; only SIGCHLD means anything.
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
        _signal.signal(_signal.SIGCHLD, lambda number, frame: None)
        _signal.set_wakeup_fd(self.wakeup_write, warn_on_full_buffer=False)
        if not self.is_first:
            become_subreaper()

    def run(self) -> Program:
        """Serve until the control socket ends; returns, in a forked child, what that is to run."""
        os.write(CONTROL_FD, b'{"ready":true}')
        poll = select.poll()
        poll.register(CONTROL_FD, select.POLLIN)
        poll.register(self.wakeup_read, select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll()]
            if self.wakeup_read in ready:
                self.drain_wakeups()
                self.reap(os.WNOHANG)
            if CONTROL_FD in ready:
                try:
                    packet = os.read(CONTROL_FD, PACKET_BYTES)
                except ConnectionResetError:
                    packet = b""
                if not packet:
                    self.leave()
                program = self.handle(parse(packet))
                if program is not None:
                    return program

    def drain_wakeups(self) -> None:
        """Forget the signals that have been seen."""
        try:
            while os.read(self.wakeup_read, 4096):
                pass
        except BlockingIOError:
            pass

    def handle(self, message: dict[str, Any]) -> Program | None:
        """Do what one packet says."""
        if "start" in message:
            return self.start(message)
        if "signal" in message:
            self.signal(message["signal"], message["number"])
        if message.get("kill"):
            self.kill_all()
            send({"killed": True})
        return None

    def start(self, message: dict[str, Any]) -> Program | None:
        """Fork; returns the program in a child that goes on as one, else None."""
        name = message["start"]
        report_read, report_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(report_read)
            try:
                program = self.become(message)
            except BaseException as exc:  # noqa: BLE001 - reported to lambd, whatever it is
                number = getattr(exc, "number", None) or getattr(exc, "errno", None) or errno.EINVAL
                os.write(report_write, f"{number} {exc}".encode()[:4096])
                os._exit(127)
            os.close(report_write)
            return program
        os.close(report_write)
        self.names[pid] = name
        failure = read_all(report_read)
        os.close(report_read)
        if failure:
            del self.names[pid]
            number, _, text = failure.decode(errors="replace").partition(" ")
            send({"start_failed": name, "errno": int(number), "message": text})
        else:
            send({"started": name, "pid": pid})
        return None

    def become(self, message: dict[str, Any]) -> Program | None:
        """In the child: leave init behind, then exec, or return the program to continue as."""
        os.setsid()
        raise_oom_score()
        _signal.set_wakeup_fd(-1)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        for fd in (CONTROL_FD, self.wakeup_read, self.wakeup_write):
            os.close(fd)
        argv, env = message["argv"], message["env"]
        if message.get("mode") == "fork":
            program = Program(argv)
            os.chdir(message["cwd"])
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)
            program.adopt(env)
            return program
        os.chdir(message["cwd"])
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        for number in RESTORED_SIGNALS:
            _signal.signal(number, _signal.SIG_DFL)
        programs = message.get("programs")
        if programs:
            argv = [first_of(programs), *argv[1:]]
        return execute(argv, env)

    def signal(self, name: str, number: int) -> None:
        """Signal a process and those of its group."""
        for pid, known in self.names.items():
            if known == name:
                try:
                    os.killpg(pid, number)
                except ProcessLookupError:
                    pass

    def reap(self, flags: int) -> bool:
        """Collect ended children, orphans among them; returns whether none are left."""
        while True:
            try:
                pid, status = os.waitpid(-1, flags)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            name = self.names.pop(pid, None)
            if name is not None:
                send({"exited": name, "status": status})

    def kill_all(self) -> None:
        """SIGKILL everything but this process and wait until all of it is gone."""
        self.names.clear()
        if self.is_first:
            try:
                os.kill(-1, _signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.reap(0)
            return
        while not self.reap(os.WNOHANG):
            for pid in descendants(os.getpid()):
                try:
                    os.kill(pid, _signal.SIGKILL)
                except ProcessLookupError:
                    pass
            select.select([], [], [], 0.002)

    def leave(self) -> None:
        """End, with everything below."""
        if not self.is_first:
            self.kill_all()
        os._exit(0)


class Program:
    """A Python program as a command line gives it: `python [-u] -m module ...` or `python file ...`."""

    def __init__(self, argv: list[str]) -> None:
        arguments = list(argv[1:])
        self.unbuffered = arguments[:1] == ["-u"]
        if self.unbuffered:
            arguments.pop(0)
        self.is_module = arguments[:1] == ["-m"]
        if self.is_module:
            arguments.pop(0)
        if not arguments or arguments[0].startswith("-"):
            raise ValueError(f"not a command line that can be continued: {argv!r}")
        self.arguments = arguments

    def adopt(self, env: dict[str, str]) -> None:
        """Give the running interpreter the program's environment, arguments and search path."""
        os.environ.clear()
        os.environ.update(env)
        __import__("time").tzset()
        target = self.arguments[0]
        first = os.getcwd() if self.is_module else os.path.dirname(os.path.realpath(target))
        extra = [part for part in env.get("PYTHONPATH", "").split(os.pathsep) if part]
        # What the interpreter computed for this script begins with the script's own directory.
        sys.path[:] = [first, *extra, *sys.path[1:]]
        sys.path_importer_cache.clear()
        sys.argv[:] = self.arguments
        sys.orig_argv = ["python", *self.arguments]
        if env.get("PYTHONDONTWRITEBYTECODE"):
            sys.dont_write_bytecode = True
        if self.unbuffered or env.get("PYTHONUNBUFFERED"):
            for stream in (sys.stdout, sys.stderr):
                cast("TextIOWrapper", stream).reconfigure(write_through=True)

    def run(self) -> None:
        """Run it in place of this module."""
        import runpy

        if self.is_module:
            runpy.run_module(self.arguments[0], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(self.arguments[0], run_name="__main__")


class StartError(Exception):
    """A program could not be started; the text is AWS's."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number


def first_of(programs: list[str]) -> str:
    """The first program that exists."""
    for program in programs:
        if os.path.isfile(program):
            return program
    text = "Couldn't find valid bootstrap(s): [{}]".format(" ".join(programs))
    raise StartError(errno.ENOENT, text)


def execute(argv: list[str], env: dict[str, str]) -> NoReturn:
    """Replace the process; a bare name is looked up in the program's own PATH."""
    try:
        if "/" in argv[0]:
            os.execve(argv[0], argv, env)
        os.execvpe(argv[0], argv, env)
    except OSError as exc:
        reason = os.strerror(exc.errno or 0).lower()
        raise StartError(exc.errno or 0, f"fork/exec {argv[0]}: {reason}") from None


def send(message: dict[str, object]) -> None:
    """One packet to lambd; when lambd has gone, the main loop sees it."""
    import json

    try:
        os.write(CONTROL_FD, json.dumps(message).encode())
    except (BrokenPipeError, ConnectionResetError):
        pass


def parse(packet: bytes) -> dict[str, Any]:
    """The object in a packet."""
    import json

    return cast("dict[str, Any]", json.loads(packet))


def read_all(fd: int) -> bytes:
    """Everything until the other ends are closed."""
    chunks: list[bytes] = []
    while True:
        chunk = os.read(fd, 4096)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)


def raise_oom_score() -> None:
    """Have the kernel pick this process and its children before init when memory runs out."""
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    except OSError:
        return  # no /proc here: the largest process is picked, which is rarely init
    try:
        os.write(fd, b"1000")
    finally:
        os.close(fd)


def become_subreaper() -> None:
    """Inherit orphans although not process 1 (prctl PR_SET_CHILD_SUBREAPER)."""
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def descendants(root: int) -> list[int]:
    """Process ids of everything below a process, from /proc."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    # The command name, in parentheses, may hold anything.
                    parents[int(entry)] = int(file.read().rpartition(b")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                pass
    found: list[int] = []
    wanted = {root}
    while wanted:
        wanted = {pid for pid, parent in parents.items() if parent in wanted}
        found.extend(wanted)
    return found


if __name__ == "__main__":
    _program = Init().run()
    # Only a forked child gets here; init leaves by os._exit.
    _program.run()
