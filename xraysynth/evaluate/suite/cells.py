"""Cells of the table: one method, protocol, task and exemplar each, kept as small JSON files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xraysynth.evaluate.suite.config import SuiteConfig
from xraysynth.evaluate.suite.contestant import Contestant, Place
from xraysynth.evaluate.suite.cost import Cost, costing, costs_in, measured, total
from xraysynth.evaluate.suite.counting import counted
from xraysynth.evaluate.suite.downstream import exact_cell, pairs_cell
from xraysynth.evaluate.suite.material import Material
from xraysynth.evaluate.suite.scan_rows import digest
from xraysynth.evaluate.suite.tasks import Task
from xraysynth.files import read_json, write_json
from xraysynth.oneshot.baselines.model import PixelModel
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.progress import Progress
from xraysynth.randomness import stream_seed

EXACT = "exact pairs"
"""Name of what protocol C is compared with."""

Learned = tuple[PixelModel | None, dict[str, Any]]
"""A model, None if there was nothing to learn from, and what its cells say of how it learned."""


class Cells:
    """All cells of a run: those on disk are read, the others made."""

    def __init__(self, material: Material, config: SuiteConfig, progress: Progress) -> None:
        self.material, self.config, self.progress = material, config, progress
        self._prepared: dict[str, Any] = {}
        self._done, self._total = 0, 1

    def tasks(self) -> list[Task]:
        """Return the tasks of this run."""
        wanted = self.config.tasks
        return [task for task in self.material.tasks() if not wanted or task.name in wanted]

    def places(self, contestant: Contestant) -> list[Place]:
        """Return where a contestant has cells."""
        downstream, only = self.config.downstream, contestant.tasks
        return [
            Place(protocol=protocol, task=task, exemplar=number)
            for number in range(self.material.config.exemplars)
            for task in self.tasks()
            if not only or task.name in only
            for protocol in self.config.protocols
            if protocol != "C"
            or (contestant.name in downstream.methods and task.name in downstream.tasks)
        ]

    def run(self, contestants: list[Contestant]) -> list[dict[str, Any]]:
        """Return all cells of some contestants, making those that are missing."""
        every = [(who, self.places(who)) for who in contestants]
        self._total = sum(len(places) for _, places in every)
        for protocols in ("AB", "C"):  # What takes longest comes last.
            for who, places in every:
                self._make_missing(who, [p for p in places if p.protocol in protocols])
        cells = [
            # The name is not part of a cell's identity: variants that turn out equal share one.
            {**read_json(self.path(who, place)), "method": who.name}
            for who, places in every
            for place in places
        ]
        downstream = {cell["task"] for cell in cells if cell["protocol"] == "C"}
        tasks = [task for task in self.tasks() if task.name in downstream]
        return [*cells, *(cell for task in tasks for cell in self._exact(task))]

    def costs(
        self, contestants: Iterable[Contestant], cells: Sequence[Mapping[str, Any]]
    ) -> dict[str, Cost]:
        """Return what some cells and all that they needed cost, by part; made at any time."""
        folder, turns = self.material.folder, range(self.config.clusterings)
        found = {
            "networks that label": costs_in(self.material.networks.folder),
            "exemplars": costs_in(folder / "exemplars"),
            "scans tested on": costs_in(folder, "*.safetensors"),
            "groups for proposals": costs_in(folder, "grouping"),
        }
        seen: set[Path] = set()
        for who in contestants:
            paths = {self.prepared_path(who, turn) for turn in turns} - seen
            seen |= paths
            parts: list[Mapping[str, Any]] = [costs_in(path.parent, path.name) for path in paths]
            found[who.name] = total(parts + [c for c in cells if c["method"] == who.name])
        exact = [cell for cell in cells if cell["method"] == EXACT]
        return {**found, **({EXACT: total(exact)} if exact else {})}

    def path(self, contestant: Contestant, place: Place) -> Path:
        """Return the file of a cell; other settings have another one."""
        identity = {**contestant.identity, "clusterings": self.config.clusterings}
        if place.protocol == "C":
            identity["downstream"] = self._downstream_identity()
        name = f"{place.protocol}-{place.task.name}-{place.exemplar}-{digest(identity)}.json"
        return self._folder(contestant) / name

    def prepared_path(self, contestant: Contestant, turn: int) -> Path:
        """Return the path whose cost file tells what a clustering cost."""
        shared = digest({**contestant.prepared_identity, "turn": turn})
        return self.material.folder / "cells" / "without labels" / shared

    def _folder(self, contestant: Contestant) -> Path:
        """Return where the cells of a contestant lie."""
        return self.material.folder / "cells" / contestant.name.replace(" ", "_")

    def _make_missing(self, contestant: Contestant, places: list[Place]) -> None:
        """Make the cells that are not on disk; each clustering's models are tested together."""
        turns = self.config.clusterings
        for turn in range(turns):
            due = [place for place in places if place.exemplar % turns == turn]
            missing = [place for place in due if not self.path(contestant, place).exists()]
            self._done += len(due) - len(missing)
            if missing:
                self._make(contestant, turn, missing)

    def _make(self, contestant: Contestant, turn: int, places: list[Place]) -> None:
        """Make some cells of one contestant and clustering."""
        pupils = {(p.task.name, p.exemplar): p for p in places}
        learned = {key: self._learned(contestant, turn, place) for key, place in pupils.items()}
        for place in places:
            if learned[place.task.name, place.exemplar][0] is None:
                self._write(contestant, place, learned[place.task.name, place.exemplar][1])
        known = [place for place in places if learned[place.task.name, place.exemplar][0]]
        for protocol in "ABC":
            own = [place for place in known if place.protocol == protocol]
            models = [learned[place.task.name, place.exemplar] for place in own]
            for place, (_, facts), found in zip(
                own, models, self._tested(own, models), strict=True
            ):
                self._write(contestant, place, {**facts, **found, **total([facts, found])})
                facts |= total([])  # Counted once, with its first protocol.

    def _tested(self, places: list[Place], models: list[Learned]) -> Iterator[dict[str, Any]]:
        """Yield what the tests of some models of one protocol found."""
        known = [model for model, _ in models if model is not None]
        if not known:
            return
        if places[0].protocol == "C":
            for place, model in zip(places, known, strict=True):
                with measured() as cost:
                    config = self.config.downstream
                    found = pairs_cell(self.material, model, place.task, place.exemplar, config)
                yield {**found, **cost}
            return
        material = self.material
        truth = material.generated if places[0].protocol == "A" else material.inverted
        tests = [truth(place.task) for place in places]
        with measured() as cost:
            found_all = counted(
                [(model, place.task) for model, place in zip(known, places, strict=True)], tests
            )
        for found in found_all:
            yield {**found, "wall_seconds": round(cost["wall_seconds"] / len(places), 3)}

    def _learned(self, contestant: Contestant, turn: int, place: Place) -> Learned:
        """Return the model of one task and exemplar."""
        exemplars = self._exemplars(contestant, place)
        if not exemplars:
            return None, {**total([]), "failed": "no candidate holds what the task asks for"}
        method, generator = contestant.method, self.material.generator
        prepared = self._prepare(contestant, turn)
        seed = stream_seed(self.material.seed, "suite teach", place.task.name, place.exemplar)
        with measured() as cost:
            model = method.teach(generator, prepared, exemplars, method.config, seed)
        facts = {
            **cost,
            "exemplar_ids": [exemplar.exemplar_id for exemplar in exemplars],
            "exemplar_classes": list(model.class_names),
        }
        return model, facts

    def _exemplars(self, contestant: Contestant, place: Place) -> list[Exemplar]:
        """Return what a contestant learns from."""
        material = self.material
        numbers = range(place.exemplar, place.exemplar + contestant.exemplars)
        found = [
            material.exemplar(place.task, number % material.config.exemplars, contestant.choice)
            for number in numbers
        ]
        return [exemplar for exemplar in found if exemplar is not None]

    def _prepare(self, contestant: Contestant, turn: int) -> Any:
        """Return what a method learns without labels; contestants alike in it share it."""
        path = self.prepared_path(contestant, turn)
        if path.name not in self._prepared:
            method = contestant.method
            seed = stream_seed(self.material.seed, "suite clustering", turn)
            with costing(path):
                made = method.prepare(self.material.generator, method.config, seed)
            self._prepared[path.name] = made
        return self._prepared[path.name]

    def _write(self, contestant: Contestant, place: Place, found: dict[str, Any]) -> None:
        """Write a new cell."""
        cell = {
            "protocol": place.protocol,
            "task": place.task.name,
            "exemplar": place.exemplar,
            "method": contestant.name,
        }
        write_json(self.path(contestant, place), {**cell, **found})
        self._done += 1
        note = f"{contestant.name}, {place.protocol}, {place.task.name}"
        self.progress(self._done, self._total, note)

    def _exact(self, task: Task) -> Iterator[dict[str, Any]]:
        """Yield the cells that protocol C is compared with: as many exact pairs.

        No generator takes part in them, so all that are measured on the same scans share them.
        """
        for number in range(self.material.config.exemplars):
            identity = {**self._downstream_identity(), "test": self.material.config.oracle.held_out}
            folder = self.material.networks.folder / EXACT.replace(" ", "_")
            path = folder / f"C-{task.name}-{number}-{digest(identity)}.json"
            if not path.exists():
                with measured() as cost:
                    found = exact_cell(self.material, task, number, self.config.downstream)
                place = {"protocol": "C", "task": task.name, "exemplar": number, "method": EXACT}
                write_json(path, {**place, **found, **cost})
            yield read_json(path)

    def _downstream_identity(self) -> dict[str, Any]:
        """Return what changes the cells of protocol C."""
        return self.config.downstream.model_dump(mode="json", include={"pairs", "unet"})
