"""How well objects come out of masks: pieces joined, touching items told apart, none broken.

Exact masks of simulated scans. First the objects of each label map against the items in it (F1 at
an IoU of 0.5 of what is visible): `regions` are its connected regions alone, `joined` joins the
pieces of an item under others by the overlaps, `objects` splits touching ones as well. Then shapes:
`singles` are regions that hold one item, `met` those of two items as they lie in the scans, `moved`
are two singles of one class pushed together until they overlap by up to a tenth. A pair is split
rightly if two parts come out, each with an IoU of at least 0.75 with its item. Prints tables and,
last, one JSON object.

python benchmarks/instances.py SCANS.h5 --count 300
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from xraysynth.randomness import stream
from xraysynth.runlength import decode
from xraysynth.scanfile import class_names, open_scans
from xraysynth.settings import settings_from_mapping
from xraysynth.shards.regions import find_regions
from xraysynth.shards.samples import DescribeConfig, group_of, object_class_ids
from xraysynth.shards.touching import SplitConfig, split_touching

MATCH_IOU, RIGHT_IOU, LARGEST_OVERLAP, SMALLEST_PX = 0.5, 0.75, 0.1, 16
CORNERS = np.ones((3, 3), bool)
Items = list[tuple[int, np.ndarray]]
"""Class and exact mask (H, W) of each item of a scan."""
Pair = tuple[np.ndarray, np.ndarray]


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scans", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--moved", type=int, default=60, help="pairs pushed together, a class")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    given = {name: float(value) for name, _, value in (s.partition("=") for s in arguments.set)}
    config = settings_from_mapping(SplitConfig, given)
    bench = Bench(config)
    with open_scans(arguments.scans) as file:
        names = list(class_names(file))
        for mask, overlaps, items in scans(file, arguments.count):
            bench.add(mask, overlaps, items, object_class_ids(tuple(names)))
    report = {"split": config.model_dump(mode="json"), **bench.figures(names, arguments.moved)}
    for name, value in report["f1"].items():
        print(f"F1 {name:10s} " + " ".join(f"{key} {share:.3f}" for key, share in value.items()))
    columns = ("class", "singles", "broken", "met", "met_right", "moved", "moved_right")
    print("".join(f"{name:>13s}" for name in columns))
    for row in report["classes"]:
        print("".join(f"{row[name]!s:>13s}" for name in columns))
    print(json.dumps(report))


def scans(file: Any, count: int) -> Iterator[tuple[np.ndarray, np.ndarray, Items]]:
    """Yield mask, overlaps and exact items of each scan."""
    metadata, items = file["metadata"][:count], file["items"][:]
    owners = {(row["scan_id"], row["view_id"]): place for place, row in enumerate(metadata)}
    mine: dict[int, list[Any]] = defaultdict(list)
    for item in items:
        place = owners.get((item["scan_id"], item["view_id"]))
        if place is not None:
            mine[place].append(item)
    for place in range(len(metadata)):
        mask = file["masks"][place]
        own = []
        for item in mine[place]:
            start = int(item["runs_start"])
            runs = file["mask_runs"][start : start + int(item["runs_count"])]
            own.append((int(item["class_id"]), decode(runs, mask.shape)))
        yield mask, file["overlaps"][place], own


class Bench:
    """Counts over scans."""

    def __init__(self, config: SplitConfig) -> None:
        self.config = config
        never = SplitConfig(neck=0)
        self.forms = {
            "regions": DescribeConfig(split=never, join_divided=False),
            "joined": DescribeConfig(split=never),
            "objects": DescribeConfig(split=config),
        }
        self.counts: dict[str, dict[int, np.ndarray]] = {
            form: defaultdict(lambda: np.zeros(3, int)) for form in self.forms
        }
        self.singles: dict[int, list[np.ndarray]] = defaultdict(list)
        self.met: dict[int, list[Pair]] = defaultdict(list)

    def add(self, mask: np.ndarray, overlaps: np.ndarray, items: Items, ids: list[int]) -> None:
        """Count one scan."""
        for form, config in self.forms.items():
            found = find_regions(mask, ids, config, overlaps)
            for class_id in ids:
                truth = [own & (mask == class_id) for c, own in items if c == class_id]
                truth = [own for own in truth if own.sum() >= SMALLEST_PX]
                got = []
                for region in found:
                    if region.class_id == class_id and region.inside.sum() >= SMALLEST_PX:
                        got.append(np.zeros(mask.shape, bool))
                        got[-1][region.rows, region.columns] = region.inside
                right = matched(got, truth)
                counts = (right, len(got) - right, len(truth) - right)
                self.counts[form][class_id] += np.array(counts)
        for class_id in ids:
            self._shapes(class_id, mask, overlaps, [own for c, own in items if c == class_id])

    def _shapes(
        self, class_id: int, mask: np.ndarray, overlaps: np.ndarray, items: list[np.ndarray]
    ) -> None:
        """Keep the regions of a class that one or two items fill."""
        whole = (overlaps >> np.uint32(class_id)) & np.uint32(1) != 0
        numbered, _ = ndimage.label(whole, CORNERS)
        for number, box in enumerate(ndimage.find_objects(numbered), start=1):
            inside = numbered[box] == number
            if inside.sum() < SMALLEST_PX or not (mask[box][inside] == class_id).any():
                continue
            held = [own[box] & inside for own in items]
            held = [own for own in held if own.sum() >= 0.1 * inside.sum()]
            if len(held) == 1:
                self.singles[class_id].append(inside)
            elif len(held) == 2:
                self.met[class_id].append((held[0], held[1]))

    def figures(self, names: list[str], n_moved: int) -> dict[str, Any]:
        """Return F1 of each form, and counts by class, for threats and for all."""
        threat = {place for place, name in enumerate(names) if group_of(name) == "threat"}
        f1 = {
            form: {"threats": _f1(counts, threat), "all": _f1(counts, set(counts))}
            for form, counts in self.counts.items()
        }
        moved = pushed_together(self.singles, n_moved)
        rows = [self._row(names[c], c, moved.get(c, [])) for c in sorted(self.singles)]
        sums = [("threats", [r for r in rows if group_of(r["class"]) == "threat"]), ("all", rows)]
        totals = [
            {"class": name, **{k: sum(r[k] for r in some) for k in rows[0] if k != "class"}}
            for name, some in sums
        ]
        shares = {
            f"{total['class']}_{name}_share": total[name] / max(total[of], 1)
            for total in totals
            for name, of in (("broken", "singles"), ("met_right", "met"), ("moved_right", "moved"))
        }
        return {"f1": f1, **shares, "classes": rows + totals}

    def _row(self, name: str, class_id: int, moved: list[Pair]) -> dict[str, Any]:
        """Return the counts of one class."""
        singles, met = self.singles[class_id], self.met[class_id]
        return {
            "class": name,
            "singles": len(singles),
            "broken": sum(int(split_touching(s, self.config).max()) > 1 for s in singles),
            "met": len(met),
            "met_right": sum(split_rightly(pair, self.config) for pair in met),
            "moved": len(moved),
            "moved_right": sum(split_rightly(pair, self.config) for pair in moved),
        }


def matched(found: list[np.ndarray], truth: list[np.ndarray]) -> int:
    """Return how many objects are items, each at most once, best first."""
    pairs = []
    for row, one in enumerate(found):
        for column, other in enumerate(truth):
            iou = (one & other).sum() / (one | other).sum()
            if iou >= MATCH_IOU:
                pairs.append((-iou, row, column))
    rows: set[int] = set()
    columns: set[int] = set()
    for _, row, column in sorted(pairs):
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
    return len(rows)


def _f1(counts: dict[int, np.ndarray], classes: set[int]) -> float:
    """Return F1 over some classes."""
    right, extra, missed = np.sum([counts[c] for c in classes], axis=0).tolist()
    return float(2 * right / max(2 * right + extra + missed, 1))


def pushed_together(singles: dict[int, list[np.ndarray]], count: int) -> dict[int, list[Pair]]:
    """Return pairs of single items of one class, moved until they overlap a little."""
    moved: dict[int, list[Pair]] = {}
    for class_id, found in singles.items():
        if len(found) < 2:
            continue
        rng = stream(0, "pairs", class_id)
        chosen = [rng.choice(len(found), 2, replace=False) for _ in range(count)]
        moved[class_id] = [_pushed(found[int(a)], found[int(b)], rng) for a, b in chosen]
    return moved


def _pushed(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Pair:
    """Return two items in one picture, the second moved towards the first along a line."""
    room = 2 * max(*first.shape, *second.shape) + 2
    size = 2 * room + max(*first.shape, *second.shape)
    one = _placed(first, (room, room), size)
    near = ndimage.binary_dilation(one, CORNERS)
    angle = rng.uniform(0, 2 * np.pi)
    wanted = rng.uniform(0, LARGEST_OVERLAP) * min(first.sum(), second.sum())
    for distance in range(room, -1, -1):
        corner = (round(room + distance * np.sin(angle)), round(room + distance * np.cos(angle)))
        other = _placed(second, corner, size)
        if (near & other).any() and (one & other).sum() >= wanted:
            break
    return one, other


def _placed(item: np.ndarray, corner: tuple[int, int], size: int) -> np.ndarray:
    """Return an item in a square picture."""
    picture = np.zeros((size, size), bool)
    rows, columns = item.shape
    picture[corner[0] : corner[0] + rows, corner[1] : corner[1] + columns] = item
    return picture


def split_rightly(pair: Pair, config: SplitConfig) -> bool:
    """Tell whether two items come out as they are; pixels of both may go to either."""
    union = pair[0] | pair[1]
    (box,) = ndimage.find_objects(union.astype(np.int8))
    a, b = pair[0][box], pair[1][box]
    parts = split_touching(union[box], config)
    if parts.max() != 2:
        return False
    one, two = parts == 1, parts == 2
    straight = min(_iou(one, a, b), _iou(two, b, a))
    return max(straight, min(_iou(one, b, a), _iou(two, a, b))) >= RIGHT_IOU


def _iou(part: np.ndarray, own: np.ndarray, other: np.ndarray) -> float:
    """Return the IoU of a part with its item, pixels of both items left out."""
    counted = ~(own & other)
    return float((part & own & counted).sum() / max(((part | own) & counted).sum(), 1))


if __name__ == "__main__":
    main()
