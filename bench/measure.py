"""How the benchmarks measure: CPU seconds and peak memory of a call in a process of its own, against peers, in one run.

CPU time (user and system, children included) rather than wall time, because machines are shared; every figure is the
median of interleaved rounds, so that what slows one contestant slows the others too. Imports and just-in-time
compilation happen in `prepare`, outside the timed call.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(_name, "1")


@dataclass(frozen=True)
class Contestant:
    """One way of doing the work.

    run
        The timed call; what it returns is handed back for comparison (small and picklable).
    prepare
        Imports and warm-up, called once before in the same process, not timed.
    """

    name: str
    run: Callable[[], Any]
    prepare: Callable[[], object] | None = None


@dataclass(frozen=True)
class Figure:
    """CPU seconds of each round, the largest peak memory in MB, and the result of the last round."""

    name: str
    cpu_seconds: tuple[float, ...]
    peak_mb: float
    result: Any

    @property
    def cpu(self) -> float:
        """Median CPU seconds."""
        return statistics.median(self.cpu_seconds)


def _cpu() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def _timed(contestant: Contestant, pipe: Any) -> None:
    if contestant.prepare:
        contestant.prepare()
    before = _cpu()
    result = contestant.run()
    spent = _cpu() - before
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    pipe.send((spent, peak, result))
    pipe.close()


def compare(contestants: Sequence[Contestant], rounds: int = 3) -> dict[str, Figure]:
    """Measure the contestants in turn, ``rounds`` times, each call in a forked process of its own."""
    context = multiprocessing.get_context("fork")
    spent: dict[str, list[float]] = {one.name: [] for one in contestants}
    peak = {one.name: 0.0 for one in contestants}
    results: dict[str, Any] = {}
    for _ in range(rounds):
        for one in contestants:
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_timed, args=(one, there))
            process.start()
            there.close()
            try:
                seconds, megabytes, results[one.name] = here.recv()
            except EOFError:
                raise SystemExit(f"{one.name} ended without a result") from None
            process.join()
            spent[one.name].append(seconds)
            peak[one.name] = max(peak[one.name], megabytes)
    return {name: Figure(name, tuple(spent[name]), peak[name], results[name]) for name in spent}


def show(title: str, figures: Mapping[str, Figure], against: str, unit: str = "", size: float = 0.0) -> None:
    """Print one table: CPU seconds, ratio to ``against`` (above 1: so many times its time), throughput, memory."""
    out = [
        f"\n{title}",
        f"{'':40} {'cpu s':>9} {'x ' + against[:14]:>16} {unit + '/cpu s' if unit else '':>14} {'MB':>7}",
    ]
    for figure in figures.values():
        ratio = figure.cpu / figures[against].cpu if figures[against].cpu else float("nan")
        speed = f"{size / figure.cpu:,.0f}" if unit and figure.cpu else ""
        out.append(f"{figure.name:40} {figure.cpu:9.3f} {ratio:16.3f} {speed:>14} {figure.peak_mb:7.0f}")
    sys.stdout.write("\n".join(out) + "\n")


def growth(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Slope of log time over log size: 1 is linear."""
    from math import log

    xs, ys = [log(size) for size in sizes], [log(max(second, 1e-9)) for second in seconds]
    x, y = statistics.fmean(xs), statistics.fmean(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys)) / sum((a - x) ** 2 for a in xs)
