"""How fast the embedded scanner draws and makes scans on one core, and how its time grows.

`python benchmarks/scanner.py [--seconds S]` prints a table and, as its last line, one JSON object.
Times are those of the processor, so that other work on the machine counts less.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Callable

# Before numpy is imported: one core means one thread.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from xraysynth.baggage import (  # noqa: E402
    SimulationConfig,
    apply_scan,
    draw_scan,
    simulate_batch,
)

SEED = 2024


def seconds_each(work: Callable[[int], object], seconds: float) -> float:
    """Return the processor's seconds for each call, over about the given time."""
    work(0)
    start, done = time.process_time(), 0
    while time.process_time() - start < seconds:
        done += 1
        work(done)
    return (time.process_time() - start) / done


def scans_per_second(size_px: int, channels: str, seconds: float) -> tuple[float, float]:
    """Return scans drawn and made in a second, and the share of time that drawing takes."""
    config = SimulationConfig.model_validate({"size_px": size_px, "channels": channels})
    whole = seconds_each(lambda i: apply_scan(config, draw_scan(config, SEED, i)), seconds)
    draw = seconds_each(lambda i: draw_scan(config, SEED, i), seconds / 4)
    return 1 / whole, draw / whole


def milliseconds_by_items(size_px: int, seconds: float) -> dict[int, float]:
    """Return the time of a scan for bags of few and many items that were asked for."""
    times = {}
    for clutter in (0, 8, 24):
        config = SimulationConfig(size_px=size_px, threats=(0, 0), clutter=(clutter, clutter))
        each = seconds_each(lambda i, c=config: apply_scan(c, draw_scan(c, SEED, i)), seconds)  # type: ignore[misc]
        times[clutter] = 1e3 * each
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="time for each row")
    seconds = parser.parse_args().seconds
    figures: dict[str, float] = {}
    print(f"{'size':>5} {'channels':>9} {'scans/s':>8} {'drawing':>8}")
    for size_px in (64, 128, 256):
        for channels in ("rgb", "dual"):
            speed, share = scans_per_second(size_px, channels, seconds)
            figures[f"scans_per_second_{size_px}_{channels}"] = round(speed, 1)
            print(f"{size_px:5d} {channels:>9} {speed:8.1f} {share:8.0%}")
    for count, milliseconds in milliseconds_by_items(256, seconds).items():
        figures[f"milliseconds_256_with_{count}_items"] = round(milliseconds, 1)
        print(f"256 px, {count:2d} items asked for: {milliseconds:6.1f} ms a scan")
    simulate_batch(SimulationConfig(), SEED, range(256))
    figures["peak_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"peak memory with a part of 256 scans at 64 px: {figures['peak_memory_mib']} MiB")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
