"""How fast the embedded scanner is, how its time grows with items, how much memory it takes.

`python benchmarks/scanner.py [--seconds S]` prints tables and, as its last line, one JSON object.
Rates for one core are in the processor's time, so that other work on the machine counts less; the
rate of two cores is that of `xraysynth simulate --workers 2`, file and start of the processes
included, by the processor's time of all processes, and by the wall clock beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# Before numpy is imported: one core means one thread.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import h5py  # noqa: E402
import numpy as np  # noqa: E402

from xraysynth.baggage import (  # noqa: E402
    CaseShares,
    SimulationConfig,
    apply_scan,
    draw_scan,
    simulate,
)

SEED = 2024
SMALL = ("cosmetics", "keys", "phone", "charger", "watch", "can")
"""Kinds small enough for 25 and two threats to fit into every bag."""
PEAK = """
import resource, sys
from pathlib import Path
from xraysynth.baggage import SimulationConfig, simulate
config = SimulationConfig(size_px=16, clutter=(0, 0), bag_kinds=("tray",), two_bags=0)
simulate(config, int(sys.argv[1]), 0, Path(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def of_items(count: int, size_px: int = 256) -> SimulationConfig:
    """Return settings for bags of about so many items, filled to the top."""
    return SimulationConfig(
        size_px=size_px,
        threats=(2, 2) if count > 2 else (0, 0),
        clutter=(count - 2, count - 2) if count > 2 else (0, 0),
        clutter_kinds=SMALL,
        bag_kinds=("hard_case", "soft_bag"),
        fill=(1, 1),
        cases=CaseShares(plain=1, conceal=0, partly_out_of_view=0),
        two_bags=0,
    )


def seconds_each(work: Callable[[int], object], seconds: float) -> float:
    """Return the processor's seconds for each call, over about the given time."""
    for index in range(8):
        work(index)
    start, done = time.process_time(), 0
    while time.process_time() - start < seconds:
        done += 1
        work(done)
    return (time.process_time() - start) / done


def one_core(seconds: float, figures: dict[str, float]) -> None:
    """Time drawing and making scans of the default settings."""
    print(f"{'size':>5} {'channels':>9} {'scans/s':>8} {'drawing':>8}   one core, in memory")
    for size_px in (64, 128, 256):
        for channels in ("rgb", "dual"):
            config = SimulationConfig.model_validate({"size_px": size_px, "channels": channels})
            whole = seconds_each(
                lambda i, c=config: apply_scan(c, draw_scan(c, SEED, i)),  # type: ignore[misc]
                seconds,
            )
            draw = seconds_each(lambda i, c=config: draw_scan(c, SEED, i), seconds / 4)  # type: ignore[misc]
            figures[f"scans_per_second_{size_px}_{channels}"] = round(1 / whole, 1)
            print(f"{size_px:5d} {channels:>9} {1 / whole:8.1f} {draw / whole:8.0%}")


def growth(seconds: float, figures: dict[str, float]) -> None:
    """Time bags of few and many items; the time for each item must not rise."""
    times = {}
    for wanted in (0, 12, 25):
        config = of_items(wanted)
        draws = [draw_scan(config, SEED, index) for index in range(16)]
        placed = float(np.mean([len(draw.items) for draw in draws]))
        each = seconds_each(lambda i, c=config: apply_scan(c, draw_scan(c, SEED, i % 16)), seconds)  # type: ignore[misc]
        times[placed] = 1e3 * each
        figures[f"milliseconds_256_with_{wanted}_items_wanted"] = round(1e3 * each, 1)
        figures[f"items_placed_with_{wanted}_wanted"] = round(placed, 1)
        print(f"256 px, {placed:4.1f} items in a bag: {1e3 * each:6.1f} ms a scan, one core")
    (n_none, none), (n_some, some), (n_many, many) = sorted(times.items())
    ratio = ((many - none) / (n_many - n_none)) / ((some - none) / (n_some - n_none))
    figures["time_of_an_item_in_full_over_half_full_bag"] = round(ratio, 2)
    print(f"time of an item in a full bag over that in a half full one: {ratio:.2f}")


def two_cores(count: int, figures: dict[str, float]) -> None:
    """Time the whole of it: two processes, draw, picture, truth, file."""
    for size_px in (128, 256):
        with tempfile.TemporaryDirectory() as folder:
            out, start, busy = Path(folder) / "scans.h5", time.monotonic(), _busy_seconds()
            simulate(of_items(25, size_px), count, SEED, out, workers=2)
            rate = count / (time.monotonic() - start)
            # What two idle cores would do; on a busy machine the wall clock says less.
            idle_rate = 2 * count / (_busy_seconds() - busy)
            with h5py.File(out) as file:
                placed = float(file["metadata"]["n_items"].mean())
                n_parts = len(file["parts"]) / count
                kilobytes = {
                    name: file[name].id.get_storage_size() / count / 1024
                    for name in ("images", "masks", "overlaps", "items", "parts", "mask_runs")
                }
        figures[f"scans_per_second_{size_px}_two_cores"] = round(idle_rate, 1)
        figures[f"scans_per_second_{size_px}_two_cores_wall_clock"] = round(rate, 1)
        figures[f"items_placed_{size_px}_two_cores"] = round(placed, 1)
        figures[f"kilobytes_of_item_and_part_masks_{size_px}"] = round(kilobytes["mask_runs"], 1)
        print(
            f"{size_px} px, two processes, {count} scans of {placed:.1f} items and {n_parts:.0f} "
            f"parts to a file: {idle_rate:.1f} scans/s of two cores' time, {rate:.1f} by the wall "
            "clock of this machine; kB a scan: "
            + ", ".join(f"{name} {size:.1f}" for name, size in kilobytes.items())
        )


def _busy_seconds() -> float:
    """Return the processor's seconds of this process and of those that it waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def memory(counts: tuple[int, ...], figures: dict[str, float]) -> None:
    """Measure the peak memory of small scans, few and many, each in a fresh process."""
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, "-c", PEAK, str(count), str(Path(folder) / "scans.h5")]
            peak = float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        figures[f"peak_memory_mib_{count}_scans"] = round(peak)
        print(f"peak memory of {count:6d} scans of 16 px: {peak:.0f} MiB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="time for each row")
    parser.add_argument("--count", type=int, default=400, help="scans of the two-core runs")
    parser.add_argument(
        "--memory", type=int, nargs="*", default=(1000, 20_000), help="numbers of scans to compare"
    )
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    one_core(arguments.seconds, figures)
    growth(arguments.seconds, figures)
    two_cores(arguments.count, figures)
    memory(tuple(arguments.memory), figures)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
