"""The measures: each starts the subjects it needs, alternates between them, and gives rows.

Alternating in short blocks because the machine's mood (frequency, neighbours, idle states) changes
over seconds and moves all subjects alike.
"""

from __future__ import annotations

import asyncio
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import processes, subjects
from benchmarks.artifacts import ROOT, Runtime
from benchmarks.events import events_waiting, flushes, make_backlog
from benchmarks.load import Load, Outcome
from benchmarks.report import EMULATOR, FLOOR, LAMBD, Row, percentile
from benchmarks.starts import bare_starts
from benchmarks.streams import stream
from benchmarks.subjects import Platform, Subject

# Environments of one function when their number is capped.
ENVIRONMENTS = 4
# Starts under way together when starts are counted.
STARTS_TOGETHER = 4
# Invocations of a burst; a quarter of them in a quick run.
BURST = 200
MANY_ROUNDS = 10
# Over this many environments memory is averaged.
MEMORY_ENVIRONMENTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much to measure, and of whom."""

    runtime: Runtime
    # Which of FLOOR, EMULATOR and LAMBD.
    chosen: frozenset[str]
    # LAMBD_* variables of the servers.
    settings: Mapping[str, str]
    rounds: int
    requests: int
    starts: int

    def platform(self, stack: ExitStack, **settings: str) -> Platform:
        """A lambd server with further settings, ended with the stack."""
        names = {f"LAMBD_{name.upper()}": value for name, value in settings.items()}
        return stack.enter_context(subjects.platform((), {**self.settings, **names}))


def send(
    subject: Subject,
    requests: int,
    *,
    connections: int = 1,
    warm_up: int = 0,
    paths: Sequence[str] = (),
    payload: str = '{"key": "value"}',
) -> Outcome:
    """Run the load client."""
    load = Load(
        payload=payload,
        host=subject.host,
        port=subject.port,
        paths=list(paths or [subject.path]),
        connections=connections,
        requests=requests,
        warm_up=warm_up,
    )
    return _run_load(load)


def _run_load(load: Load) -> Outcome:
    command = [sys.executable, "-m", "benchmarks.load", json.dumps(asdict(load))]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return Outcome(**json.loads(done.stdout))


def _function(platform: Platform, plan: Plan, name: str = "warm") -> Platform:
    platform.create([name], plan.runtime.identifier)
    platform.path = platform.path_of(name)
    return platform


def warm(plan: Plan) -> list[Row]:
    """One connection, one request at a time, everything warm."""
    latencies: dict[str, list[float]] = {}
    with ExitStack() as stack:
        running: dict[str, Subject] = {}
        if FLOOR in plan.chosen:
            running[FLOOR] = stack.enter_context(subjects.floor(plan.runtime, 1))
        if EMULATOR in plan.chosen:
            running[EMULATOR] = stack.enter_context(subjects.emulator(plan.runtime))
        if LAMBD in plan.chosen:
            running[LAMBD] = _function(plan.platform(stack), plan)
        for _ in range(plan.rounds):
            for name, subject in running.items():
                outcome = send(subject, plan.requests, warm_up=plan.requests // 5)
                latencies.setdefault(name, []).extend(ns / 1e6 for ns in outcome.latencies_ns)
    rows = []
    for percent, goal in ((50, "<= 1.5 floor, <= 0.8 emulator"), (99, "")):
        values = {name: percentile(found, percent) for name, found in latencies.items()}
        rows.append(
            Row(name=f"warm invocation, serial, p{percent}", unit="ms", goal=goal, values=values)
        )
    return rows


def throughput(plan: Plan) -> list[Row]:
    """So many connections, each with one request under way; the median of the rounds."""
    rates: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        runs: list[tuple[str, str, Subject, int]] = []
        if FLOOR in plan.chosen:
            bare = stack.enter_context(subjects.floor(plan.runtime, ENVIRONMENTS))
            runs += [(_capped(n), FLOOR, bare, n) for n in (1, 4, 16)]
        if EMULATOR in plan.chosen:
            emulator = stack.enter_context(subjects.emulator(plan.runtime))
            runs.append((_capped(1), EMULATOR, emulator, 1))
        if LAMBD in plan.chosen:
            capped = plan.platform(stack, max_environments_per_function=str(ENVIRONMENTS))
            _function(capped, plan)
            runs += [(_capped(n), LAMBD, capped, n) for n in (1, 4, 16)]
            free = _function(plan.platform(stack), plan)
            runs.append((_UNCAPPED, LAMBD, free, 16))
        for _ in range(max(3, plan.rounds // 2)):
            for row, name, subject, connections in runs:
                requests = plan.requests * (2 if connections > 1 else 1)
                try:
                    outcome = send(
                        subject, requests, connections=connections, warm_up=max(16, requests // 5)
                    )
                except subprocess.CalledProcessError:
                    # The client has said why on stderr; the other figures still count.
                    rates.setdefault((row, name), []).append(math.nan)
                    continue
                rate = len(outcome.latencies_ns) / (outcome.elapsed_ns / 1e9)
                rates.setdefault((row, name), []).append(rate)
    names = list(dict.fromkeys(row for row, _ in rates))
    return [
        Row(
            name=row,
            unit="1/s",
            goal=">= 0.6 floor" if row == _capped(16) else "",
            values={name: statistics.median(f) for (r, name), f in rates.items() if r == row},
        )
        for row in names
    ]


_UNCAPPED = "throughput, 16 connections, environments as needed"


def _capped(connections: int) -> str:
    if connections == 1:
        return "throughput, 1 connection"
    return f"throughput, {connections} connections, {ENVIRONMENTS} environments"


def cold(plan: Plan) -> list[Row]:
    """First invocations, one after the other; the floor's is the bare start of awslambdaric."""
    found: dict[str, list[float]] = {}
    if FLOOR in plan.chosen:
        found[FLOOR] = asyncio.run(bare_starts(plan.runtime, plan.starts, 1))[0]
    if EMULATOR in plan.chosen:
        found[EMULATOR] = []
        for _ in range(plan.starts):
            with subjects.emulator(plan.runtime) as emulator:
                found[EMULATOR].append(send(emulator, 1).latencies_ns[0] / 1e6)
    if LAMBD in plan.chosen:
        with ExitStack() as stack:
            platform = plan.platform(stack)
            outcome = _first_invocations(platform, plan, together=1)
            found[LAMBD] = [ns / 1e6 for ns in outcome.latencies_ns]
    rows = []
    for percent, goal in ((50, "<= 2 floor"), (99, "")):
        values = {name: percentile(each, percent) for name, each in found.items()}
        rows.append(
            Row(name=f"cold start, serial, p{percent}", unit="ms", goal=goal, values=values)
        )
    return rows


def starts(plan: Plan) -> list[Row]:
    """How many environments get ready in a second, several starting at a time."""
    values: dict[str, float] = {}
    if FLOOR in plan.chosen:
        _, seconds = asyncio.run(bare_starts(plan.runtime, plan.starts, STARTS_TOGETHER))
        values[FLOOR] = plan.starts / seconds
    if LAMBD in plan.chosen:
        with ExitStack() as stack:
            platform = plan.platform(stack)
            outcome = _first_invocations(platform, plan, together=STARTS_TOGETHER)
            values[LAMBD] = plan.starts / (outcome.elapsed_ns / 1e9)
    return [
        Row(name=f"environments started, {STARTS_TOGETHER} at a time", unit="1/s", values=values)
    ]


def _first_invocations(platform: Platform, plan: Plan, *, together: int) -> Outcome:
    names = [f"cold-{number}" for number in range(plan.starts)]
    platform.create(names, plan.runtime.identifier)
    paths = [platform.path_of(name) for name in names]
    return send(platform, len(paths), connections=together, paths=paths)


def memory(plan: Plan) -> list[Row]:
    """What one more idle environment takes, all its processes together."""
    mib = 1024 * 1024
    rss: dict[str, float] = {}
    pss: dict[str, float] = {}
    rows: list[Row] = []
    if FLOOR in plan.chosen:
        with subjects.floor(plan.runtime, MEMORY_ENVIRONMENTS) as bare:
            send(bare, MEMORY_ENVIRONMENTS * 4, connections=MEMORY_ENVIRONMENTS)
            each = processes.memory(processes.descendants(bare.pid))
            rss[FLOOR] = each.rss_bytes / MEMORY_ENVIRONMENTS / mib
            pss[FLOOR] = each.pss_bytes / MEMORY_ENVIRONMENTS / mib
    if EMULATOR in plan.chosen:
        with subjects.emulator(plan.runtime) as emulator:
            send(emulator, 4)
            each = processes.memory({emulator.pid} | processes.descendants(emulator.pid))
            rss[EMULATOR], pss[EMULATOR] = each.rss_bytes / mib, each.pss_bytes / mib
    if LAMBD in plan.chosen:
        with ExitStack() as stack:
            platform = _function(plan.platform(stack), plan)
            send(platform, MEMORY_ENVIRONMENTS * 4, connections=MEMORY_ENVIRONMENTS)
            rows = _environment_memory(platform, rss, pss)
    return [
        Row(name="memory per idle environment, RSS", unit="MiB", values=rss),
        Row(name="memory per idle environment, PSS", unit="MiB", values=pss),
        *rows,
    ]


def _environment_memory(
    platform: Platform, rss: dict[str, float], pss: dict[str, float]
) -> list[Row]:
    mib = 1024 * 1024
    # Init alone is no environment yet, or a sandbox kept ready.
    spaces = [pids for pids in processes.inner_namespaces(platform.pid) if len(pids) > 1]
    if not spaces:
        # The process driver has no namespaces to tell its environments by.
        return []
    each = processes.memory(set().union(*spaces))
    rss[LAMBD] = each.rss_bytes / len(spaces) / mib
    pss[LAMBD] = each.pss_bytes / len(spaces) / mib
    charged = [processes.cgroup_bytes(min(pids)) for pids in spaces]
    known = [value for value in charged if value is not None]
    if not known:
        return []
    mean = statistics.mean(known) / mib
    return [
        Row(name="memory per idle environment, control group", unit="MiB", values={LAMBD: mean})
    ]


def burst(plan: Plan) -> list[Row]:
    """From nothing to many invocations of one function at once, until all are answered.

    With a quick function few environments can answer them all; with one that takes a second each
    invocation needs its own. Memory: by how much the machine's available memory fell.
    """
    if LAMBD not in plan.chosen:
        return []
    requests = BURST // 4 if plan.rounds < MANY_ROUNDS else BURST
    rows = []
    for name, payload in (("quick", "{}"), ("1 s each", '{"sleep_s": 1}')):
        with ExitStack() as stack:
            platform = _function(plan.platform(stack), plan)
            watch = stack.enter_context(processes.MemoryWatch())
            outcome = send(platform, requests, connections=requests, payload=payload)
            rows.append(
                Row(
                    name=f"burst of {requests}, {name}: until all are answered",
                    unit="s",
                    values={LAMBD: outcome.elapsed_ns / 1e9},
                )
            )
        rows.append(
            Row(
                name=f"burst of {requests}, {name}: peak memory",
                unit="MiB",
                values={LAMBD: watch.peak_bytes / 1024**2},
            )
        )
    return rows


def events(plan: Plan) -> list[Row]:
    """Asynchronous invocations: accepted while they run, and the backlog worked off after."""
    rates: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        lambd = _function(plan.platform(stack), plan) if LAMBD in plan.chosen else None
        for _ in range(max(3, plan.rounds // 2)):
            for connections in (1, 16):
                name = f"events accepted, {connections} connection{'s'[: connections - 1]}"
                if FLOOR in plan.chosen:
                    rates.setdefault((name, FLOOR), []).append(flushes(plan.requests))
                if lambd is None:
                    continue
                count = plan.requests * connections
                started = time.perf_counter()
                outcome = _send_events(lambd, count, connections)
                rate = count / (outcome.elapsed_ns / 1e9)
                rates.setdefault((name, LAMBD), []).append(rate)
                _wait_until(lambd, 0)
                if connections > 1:
                    rate = count / (time.perf_counter() - started)
                    rates.setdefault((_RUN, LAMBD), []).append(rate)
    if LAMBD in plan.chosen:
        rates[_DRAINED, LAMBD] = [_drain(plan, plan.requests * 25)]
    return _medians(rates, "1/s")


_RUN = "events accepted and run to their end, 16 connections"
_DRAINED = "events of a backlog on disk attempted and removed"


def _drain(plan: Plan, count: int) -> float:
    """A platform starts on a backlog; the first tenth, and the first environments, do not count."""
    with tempfile.TemporaryDirectory(prefix="lambd-bench-") as scratch:
        directory = Path(scratch)
        with subjects.platform((), plan.settings, directory) as platform:
            _function(platform, plan)
        make_backlog(directory / "data", "warm", count)
        with subjects.platform((), plan.settings, directory) as platform:
            left = _wait_until(platform, count * 9 // 10)
            started = time.perf_counter()
            _wait_until(platform, 0)
            return left / (time.perf_counter() - started)


def _wait_until(platform: Platform, waiting: int) -> int:
    """Wait until no more than so many events wait; how many do."""
    while (found := events_waiting(platform.data_dir)) > waiting:
        time.sleep(0.01)
    return found


def _send_events(platform: Platform, requests: int, connections: int) -> Outcome:
    load = Load(
        host=platform.host,
        port=platform.port,
        paths=[platform.path],
        headers="X-Amz-Invocation-Type: Event\r\n",
        status=202,
        answer="",
        connections=connections,
        requests=requests,
        warm_up=50,
    )
    return _run_load(load)


def urls(plan: Plan) -> list[Row]:
    """Requests of a public function URL: the event made of each, the answer made of the result."""
    rates: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        bare = lambd = None
        if FLOOR in plan.chosen:
            bare = stack.enter_context(subjects.floor(plan.runtime, ENVIRONMENTS))
        if LAMBD in plan.chosen:
            lambd = plan.platform(stack, max_environments_per_function=str(ENVIRONMENTS))
            _function(lambd, plan)
            named = lambd.create_url("warm")
        for _ in range(max(3, plan.rounds // 2)):
            for connections in (1, 16):
                name = f"function URL, {connections} connection{'s'[: connections - 1]}"
                for subject, of in ((bare, FLOOR), (lambd, LAMBD)):
                    if subject is None:
                        continue
                    load = Load(
                        host=subject.host,
                        port=subject.port,
                        paths=["/a/path?with=a&query=too"] if of == LAMBD else [subject.path],
                        named=named if of == LAMBD else "",
                        connections=connections,
                        requests=plan.requests,
                        warm_up=max(16, plan.requests // 5),
                    )
                    outcome = _run_load(load)
                    rate = plan.requests / (outcome.elapsed_ns / 1e9)
                    rates.setdefault((name, of), []).append(rate)
    return _medians(rates, "1/s")


def streaming(plan: Plan) -> list[Row]:
    """A streamed answer: until its first byte, and how fast a large one comes."""
    first: dict[str, list[float]] = {}
    speed: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        running: dict[str, Subject] = {}
        if FLOOR in plan.chosen:
            program = [str(subjects.BOOTSTRAP)]
            running[FLOOR] = stack.enter_context(subjects.floor(plan.runtime, 1, program))
        if LAMBD in plan.chosen:
            config = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".toml"))
            # AWS's cap would be all that is measured.
            config.write(f"[limits]\nstreamed_response_burst_bytes = {_STREAMED_BYTES}\n")
            config.flush()
            platform = plan.platform(stack, config=config.name)
            platform.create_streaming("streams")
            platform.path = "/2021-11-15/functions/streams/response-streaming-invocations"
            running[LAMBD] = platform
        for _ in range(plan.rounds):
            for name, subject in running.items():
                address = (subject.host, subject.port)
                found = [
                    stream(address, subject.path, 64, 64) for _ in range(plan.requests // 10 + 3)
                ]
                first.setdefault(name, []).extend(each.first_s * 1000 for each in found[3:])
                whole = stream(address, subject.path, _STREAMED_BYTES, 64 * 1024)
                rate = _STREAMED_BYTES / whole.whole_s / 1e6
                speed.setdefault((_SPEED, name), []).append(rate)
    values = {name: percentile(found, 50) for name, found in first.items()}
    return [
        Row(name="streamed answer, first byte, p50", unit="ms", values=values),
        *_medians(speed, "MB/s"),
    ]


_STREAMED_BYTES = 64 * 1024 * 1024
_SPEED = "streamed answer of 64 MiB in parts of 64 KiB"


def _medians(found: Mapping[tuple[str, str], Sequence[float]], unit: str) -> list[Row]:
    """A row for each name of (name, subject), in their order."""
    return [
        Row(
            name=row,
            unit=unit,
            values={name: statistics.median(f) for (r, name), f in found.items() if r == row},
        )
        for row in dict.fromkeys(row for row, _ in found)
    ]


MEASURES: Mapping[str, Callable[[Plan], list[Row]]] = {
    "warm": warm,
    "throughput": throughput,
    "cold": cold,
    "starts": starts,
    "memory": memory,
    "burst": burst,
    "events": events,
    "urls": urls,
    "streaming": streaming,
}
