"""Cells of the table: one method, protocol, task and exemplar each, kept as small JSON files.

What a run will need is named here, and what is there already is read; `making.py` makes the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xraysynth.evaluate.suite.config import SuiteConfig
from xraysynth.evaluate.suite.contestant import Contestant, Place
from xraysynth.evaluate.suite.cost import Cost, costs_in, total
from xraysynth.evaluate.suite.material import Choice, Material
from xraysynth.evaluate.suite.scan_rows import digest
from xraysynth.evaluate.suite.tasks import Task
from xraysynth.files import read_json

EXACT = "exact pairs"
"""Name of what protocol C is compared with."""
JUDGE = "generated scans, the judge's masks"
"""Name of the pairs that tell how much of the rest is the generator's fault."""
REFERENCES = (EXACT, JUDGE)
"""What protocol C measures beside the methods."""
FORM = 3
"""Raised when cells come to hold something else."""


class Cells:
    """Where the cells of a run lie."""

    def __init__(self, material: Material, config: SuiteConfig) -> None:
        self.material, self.config = material, config

    def tasks(self) -> list[Task]:
        """Return the tasks of this run."""
        wanted = self.config.tasks
        return [task for task in self.material.tasks if not wanted or task.name in wanted]

    def places(self, contestant: Contestant) -> list[Place]:
        """Return where a contestant has cells."""
        return [
            Place(protocol=protocol, task=task, exemplar=number, requests=requests)
            for number in range(self.material.config.exemplars)
            for task in self.tasks()
            if not contestant.tasks or task.name in contestant.tasks
            for protocol in self.config.protocols
            for requests in ((False, True) if protocol == "C" else (False,))
            if protocol != "C" or self._is_downstream(contestant, task, number, requests)
        ]

    def exemplars(self, contestants: Sequence[Contestant]) -> list[tuple[Task, int, Choice]]:
        """Return the exemplars that cells not on disk need, each once."""
        count = self.material.config.exemplars
        found = {
            (place.task.name, (place.exemplar + more) % count, who.choice): place.task
            for who in contestants
            for place in self.places(who)
            if not self.path(who, place).exists()
            for more in range(1 if who.choice == "together" else who.exemplars)
        }
        return [(task, number, choice) for (_, number, choice), task in found.items()]

    def reference_places(self) -> list[Place]:
        """Return where each of the references has cells."""
        downstream = self.config.downstream
        return [
            Place(protocol="C", task=task, exemplar=number)
            for number in range(self._n_downstream())
            for task in self.tasks()
            if "C" in self.config.protocols and task.name in downstream.tasks
        ]

    def _is_downstream(
        self, contestant: Contestant, task: Task, number: int, requests: bool
    ) -> bool:
        """Tell whether protocol C is done for this."""
        downstream = self.config.downstream
        asked = bool(self.material.generator.config.contents)
        return (
            number < self._n_downstream()
            and contestant.name in downstream.methods
            and task.name in downstream.tasks
            and requests in (downstream.requests if asked else (False,))
        )

    def _n_downstream(self) -> int:
        """Return for how many exemplars protocol C is done."""
        return min(self.config.downstream.exemplars, self.material.config.exemplars)

    def found(self, contestants: Sequence[Contestant]) -> list[dict[str, Any]]:
        """Return all cells that are on disk."""
        # The name is not part of a cell's identity: variants that turn out equal share one.
        return [
            {**read_json(path), "method": title}
            for title, _, path in self.every(contestants)
            if path.exists()
        ]

    def missing(self, contestants: Sequence[Contestant]) -> dict[str, dict[str, int]]:
        """Return how many cells of each method are not on disk, by protocol."""
        counts: dict[str, dict[str, int]] = {}
        for name, place, path in self.every(contestants):
            if not path.exists():
                by = counts.setdefault(name, {})
                by[place.protocol] = by.get(place.protocol, 0) + 1
        return counts

    def every(self, contestants: Sequence[Contestant]) -> Iterator[tuple[str, Place, Path]]:
        """Yield title, place and file of every cell of a run."""
        for who in contestants:
            for place in self.places(who):
                yield place.title(who.name), place, self.path(who, place)
        for name in REFERENCES:
            for place in self.reference_places():
                yield name, place, self.reference_path(name, place)

    def costs(
        self, contestants: Iterable[Contestant], cells: Sequence[Mapping[str, Any]]
    ) -> dict[str, Cost]:
        """Return what some cells and all that they needed cost, by part; made at any time."""
        folder, turns = self.material.folder, range(self.config.clusterings)
        found = {
            "networks that label": costs_in(self.material.networks.folder, "*.safetensors"),
            "exemplars": costs_in(folder / "exemplars"),
            "scans tested on": costs_in(folder, "*.safetensors"),
            "groups for proposals": costs_in(folder, "grouping"),
        }
        seen: set[Path] = set()
        for who in contestants:
            paths = {self.prepared_path(who, turn) for turn in turns} - seen
            seen |= paths
            parts: list[Mapping[str, Any]] = [costs_in(path.parent, path.name) for path in paths]
            titles = {place.title(who.name) for place in self.places(who)}
            found[who.name] = total(parts + [c for c in cells if c["method"] in titles])
        for name in REFERENCES:
            own = [cell for cell in cells if cell["method"] == name]
            if own:
                found[name] = total(own)
        return found

    def path(self, contestant: Contestant, place: Place) -> Path:
        """Return the file of a cell; other settings have another one."""
        identity = {**contestant.identity, "clusterings": self.config.clusterings, "form": FORM}
        if place.protocol == "C":
            identity["downstream"] = self.downstream_identity()
            identity["requests"] = place.requests
        name = f"{place.protocol}-{place.task.name}-{place.exemplar}-{digest(identity)}.json"
        return self.material.folder / "cells" / contestant.name.replace(" ", "_") / name

    def reference_path(self, name: str, place: Place) -> Path:
        """Return the file of a cell that protocol C is compared with.

        No generator takes part in exact pairs, so all that are measured on the same scans share
        them.
        """
        shared = name == EXACT
        identity = {**self.downstream_identity(), "test": self.material.config.oracle.held_out}
        root = self.material.networks.folder if shared else self.material.folder / "cells"
        file = f"C-{place.task.name}-{place.exemplar}-{digest(identity)}.json"
        return root / name.replace(" ", "_") / file

    def prepared_path(self, contestant: Contestant, turn: int) -> Path:
        """Return the path whose cost file tells what a clustering cost."""
        shared = digest({**contestant.prepared_identity, "turn": turn})
        return self.material.folder / "cells" / "without labels" / shared

    def downstream_identity(self) -> dict[str, Any]:
        """Return what changes the cells of protocol C."""
        return self.config.downstream.model_dump(mode="json", include={"pairs", "unet"})
