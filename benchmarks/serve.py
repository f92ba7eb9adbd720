"""The `lambd` command, optionally under a profiler: `LAMBD_BENCH_PROFILE` names the output file.

A module of its own because the profiler has to run inside the server's process. It begins at
SIGUSR1, so that start-up and warming stay out of the picture, and ends with the server.
"""

from __future__ import annotations

import cProfile
import os
import signal

from lambd.cli.main import main


def profiled(path: str) -> None:
    """Run the command line, profile it from SIGUSR1 on, and write the statistics when it ends."""
    profiler = cProfile.Profile()
    signal.signal(signal.SIGUSR1, lambda *_: profiler.enable())
    try:
        main()
    finally:
        profiler.disable()
        profiler.dump_stats(path)


if __name__ == "__main__":
    target = os.environ.pop("LAMBD_BENCH_PROFILE", "")
    if target:
        profiled(target)
    else:
        main()
