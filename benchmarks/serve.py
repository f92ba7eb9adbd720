"""The `lambd` command, optionally under a profiler: `LAMBD_BENCH_PROFILE` names the output file.

A module of its own because the profiler has to run inside the server's process.
"""

from __future__ import annotations

import cProfile
import os
import sys

from lambd.cli.main import main


def profiled(path: str) -> None:
    """Run the command line under cProfile and write the statistics when it ends."""
    profiler = cProfile.Profile()
    profiler.enable()
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
    sys.exit(0)
