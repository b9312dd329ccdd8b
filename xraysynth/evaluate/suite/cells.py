"""Cells of the table: one method, protocol, task and exemplar each, kept as small JSON files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xraysynth.evaluate.metrics import Confusion
from xraysynth.evaluate.suite.config import Protocol, SuiteConfig
from xraysynth.evaluate.suite.downstream import exact_cell, pairs_cell
from xraysynth.evaluate.suite.material import Choice, Material, TestSet
from xraysynth.evaluate.suite.scan_rows import digest
from xraysynth.evaluate.suite.tasks import Task
from xraysynth.files import read_json, write_json
from xraysynth.oneshot.baselines.model import Method, PixelModel
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.progress import Progress
from xraysynth.randomness import stream_seed

BINS = 10
"""Bins of confidence in which right pixels are counted."""
EXACT = "exact pairs"
"""Name of what protocol C is compared with."""


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A method as it takes part: with how many exemplars, chosen how."""

    method: Method
    """How it learns."""
    exemplars: int = 1
    """Labelled scans that it learns from at once."""
    choice: Choice = "proposed"
    """How the scan to label is chosen."""

    @property
    def name(self) -> str:
        """As in tables."""
        return self.method.name

    @property
    def identity(self) -> dict[str, Any]:
        """Return what tells two contestants apart, whatever their names."""
        return {
            "teach": f"{self.method.teach.__module__}.{self.method.teach.__name__}",
            "prepare": self.method.prepare.__name__,
            "config": self.method.config.model_dump(mode="json"),
            "exemplars": self.exemplars,
            "choice": self.choice,
        }


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in the table a cell stands."""

    protocol: Protocol
    """A, B or C."""
    task: Task
    """What is told apart."""
    exemplar: int
    """Number of the exemplar."""


class Cells:
    """All cells of a run: those on disk are read, the others made."""

    def __init__(self, material: Material, config: SuiteConfig, progress: Progress) -> None:
        self.material, self.config, self.progress = material, config, progress
        self._done, self._total = 0, 1

    def places(self, contestant: Contestant) -> list[Place]:
        """Return where a contestant has cells."""
        downstream = self.config.downstream
        return [
            Place(protocol=protocol, task=task, exemplar=number)
            for number in range(self.material.config.exemplars)
            for task in self.tasks()
            for protocol in self.config.protocols
            if protocol != "C"
            or (contestant.name in downstream.methods and task.name in downstream.tasks)
        ]

    def tasks(self) -> list[Task]:
        """Return the tasks of this run."""
        wanted = self.config.tasks
        return [task for task in self.material.tasks() if not wanted or task.name in wanted]

    def run(self, contestants: list[Contestant]) -> list[dict[str, Any]]:
        """Return all cells of some contestants, making those that are missing."""
        every = [(who, self.places(who)) for who in contestants]
        self._total = sum(len(places) for _, places in every)
        cells = [cell for who, places in every for cell in self._of(who, places)]
        downstream = {cell["task"] for cell in cells if cell["protocol"] == "C"}
        tasks = [task for task in self.tasks() if task.name in downstream]
        return [*cells, *(cell for task in tasks for cell in self._exact(task))]

    def path(self, contestant: Contestant, place: Place) -> Path:
        """Return the file of a cell; other settings have another one."""
        identity = {**contestant.identity, "clusterings": self.config.clusterings}
        if place.protocol == "C":
            identity["downstream"] = self._downstream_identity()
        name = f"{place.protocol}-{place.task.name}-{place.exemplar}-{digest(identity)}.json"
        return self.material.folder / "cells" / contestant.name.replace(" ", "_") / name

    def _of(self, contestant: Contestant, places: list[Place]) -> Iterator[dict[str, Any]]:
        """Yield the cells of one contestant; what needs no label is learned once a clustering."""
        turns = self.config.clusterings
        for turn in range(turns):
            learner = _Learner(self.material, contestant, turn)
            for place in places:
                if place.exemplar % turns == turn:
                    yield self._cell(contestant, place, learner)

    def _cell(self, contestant: Contestant, place: Place, learner: _Learner) -> dict[str, Any]:
        """Return one cell, from disk or made now."""
        path = self.path(contestant, place)
        if not path.exists():
            write_json(path, self._made(contestant, place, learner))
        self._done += 1
        note = f"{contestant.name}, {place.protocol}, {place.task.name}"
        self.progress(self._done, self._total, note)
        # The name is not part of a cell's identity: variants that turn out equal share one.
        return {**read_json(path), "method": contestant.name}

    def _made(self, contestant: Contestant, place: Place, learner: _Learner) -> dict[str, Any]:
        """Return a new cell."""
        cell = {
            "protocol": place.protocol,
            "task": place.task.name,
            "exemplar": place.exemplar,
            "method": contestant.name,
        }
        begun = time.process_time()
        model, exemplars = learner.model(place)
        if model is None:
            return {**cell, "failed": "no candidate holds what the task asks for"}
        cell["exemplar_ids"] = [exemplar.exemplar_id for exemplar in exemplars]
        cell["exemplar_classes"] = list(model.class_names)
        found = self._tested(model, place)
        return {**cell, **found, "cpu_seconds": round(time.process_time() - begun, 3)}

    def _tested(self, model: PixelModel, place: Place) -> dict[str, Any]:
        """Return the counts of a test."""
        if place.protocol == "C":
            config = self.config.downstream
            return pairs_cell(self.material, model, place.task, place.exemplar, config)
        material = self.material
        test = (material.generated if place.protocol == "A" else material.inverted)(place.task)
        return counted(model, place.task, test)

    def _exact(self, task: Task) -> Iterator[dict[str, Any]]:
        """Yield the cells that protocol C is compared with: as many exact pairs."""
        for number in range(self.material.config.exemplars):
            identity = digest(self._downstream_identity())
            folder = self.material.folder / "cells" / EXACT.replace(" ", "_")
            path = folder / f"C-{task.name}-{number}-{identity}.json"
            if not path.exists():
                found = exact_cell(self.material, task, number, self.config.downstream)
                place = {"protocol": "C", "task": task.name, "exemplar": number, "method": EXACT}
                write_json(path, {**place, **found})
            yield read_json(path)

    def _downstream_identity(self) -> dict[str, Any]:
        """Return what changes the cells of protocol C."""
        return self.config.downstream.model_dump(mode="json", include={"pairs", "unet"})


class _Learner:
    """Models of one contestant and clustering, each learned when first asked for."""

    def __init__(self, material: Material, contestant: Contestant, turn: int) -> None:
        self._material, self._contestant, self._turn = material, contestant, turn
        self._prepared: Any = None
        self._models: dict[tuple[str, int], tuple[PixelModel | None, list[Exemplar]]] = {}

    def model(self, place: Place) -> tuple[PixelModel | None, list[Exemplar]]:
        """Return the model of a task and exemplar, with what it learned from; None if nothing."""
        key = (place.task.name, place.exemplar)
        if key not in self._models:
            # Only the latest is kept: protocols of one task and exemplar come one after another.
            self._models = {key: self._learned(place)}
        return self._models[key]

    def _learned(self, place: Place) -> tuple[PixelModel | None, list[Exemplar]]:
        """Return a new model."""
        material, contestant = self._material, self._contestant
        numbers = range(place.exemplar, place.exemplar + contestant.exemplars)
        found = [
            material.exemplar(place.task, number % material.config.exemplars, contestant.choice)
            for number in numbers
        ]
        exemplars = [exemplar for exemplar in found if exemplar is not None]
        if not exemplars:
            return None, []
        method, generator = contestant.method, material.generator
        if self._prepared is None:
            seed = stream_seed(material.seed, "suite clustering", self._turn)
            self._prepared = method.prepare(generator, method.config, seed)
        seed = stream_seed(material.seed, "suite teach", place.task.name, place.exemplar)
        model = method.teach(generator, self._prepared, exemplars, method.config, seed)
        return model, exemplars


def counted(model: PixelModel, task: Task, test: TestSet) -> dict[str, Any]:
    """Return the confusion of a model on a test set, and how often it is right where how sure."""
    ids = task.ids(model.class_names)
    confusion = Confusion(task.class_names)
    sure, right = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
    confident = np.zeros(BINS)
    start = 0
    for batch in test.latent_w.split(32):
        label_map, probability = model.segment(batch)
        truth = test.truth[start : start + len(batch)]
        start += len(batch)
        confusion.add(truth, ids[label_map])
        highest = probability.max(1)
        bins = np.minimum((highest * BINS).astype(int), BINS - 1).ravel()
        sure += np.bincount(bins, minlength=BINS)
        confident += np.bincount(bins, weights=highest.ravel(), minlength=BINS)
        right += np.bincount(bins[(ids[label_map] == truth).ravel()], minlength=BINS)
    return {
        "scans": len(test.latent_w),
        "classes": list(task.class_names),
        "confusion": confusion.matrix.tolist(),
        "reliability": {
            "pixels": sure.tolist(),
            "right": right.tolist(),
            "confidence": [round(float(v), 4) for v in confident / np.maximum(sure, 1)],
        },
    }
