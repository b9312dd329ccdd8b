"""Cells made: methods taught, and what they learned put to the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from xraysynth.evaluate.suite.cells import EXACT, Cells
from xraysynth.evaluate.suite.contestant import Contestant, Place
from xraysynth.evaluate.suite.cost import costing, measured, total
from xraysynth.evaluate.suite.counting import counted
from xraysynth.evaluate.suite.downstream import exact_cell, judge_cell, pairs_cell
from xraysynth.files import write_json
from xraysynth.oneshot.baselines.model import PixelModel
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.randomness import stream_seed

Learned = tuple[PixelModel | None, dict[str, Any]]
"""A model, None if there was nothing to learn from, and what its cells say of how it learned."""
Told = Callable[[str], None]
"""Called with a note after every cell."""


class Maker:
    """Makes cells that are not on disk; what is learned without labels is kept in memory."""

    def __init__(self, cells: Cells, told: Told) -> None:
        self.cells, self.material, self.config = cells, cells.material, cells.config
        self.told = told
        self._prepared: dict[str, Any] = {}

    def make(self, contestants: Sequence[Contestant], turn: int, protocols: str) -> None:
        """Make the missing cells of some contestants, protocols and one clustering."""
        for who in contestants:
            missing = [
                place
                for place in self.cells.places(who)
                if place.protocol in protocols
                and place.exemplar % self.config.clusterings == turn
                and not self.cells.path(who, place).exists()
            ]
            if missing:
                self._make(who, turn, missing)

    def make_reference(self, name: str, turn: int) -> None:
        """Make the missing cells of what protocol C is compared with."""
        for place in self.cells.reference_places():
            path = self.cells.reference_path(name, place)
            if place.exemplar % self.config.clusterings != turn or path.exists():
                continue
            made = exact_cell if name == EXACT else judge_cell
            with measured() as cost:
                found = made(self.material, place.task, place.exemplar, self.config.downstream)
            write_json(path, {**_named(place, name), **found, **cost})
            self.told(f"{name}, C, {place.task.name}")

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
                    found = pairs_cell(self.material, model, place, self.config.downstream)
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
        if contestant.choice == "together":
            return material.chosen_together(place.task, place.exemplar)
        numbers = range(place.exemplar, place.exemplar + contestant.exemplars)
        found = [
            material.exemplar(place.task, number % material.config.exemplars, contestant.choice)
            for number in numbers
        ]
        return [exemplar for exemplar in found if exemplar is not None]

    def _prepare(self, contestant: Contestant, turn: int) -> Any:
        """Return what a method learns without labels; contestants alike in it share it."""
        path = self.cells.prepared_path(contestant, turn)
        if path.name not in self._prepared:
            method = contestant.method
            seed = stream_seed(self.material.seed, "suite clustering", turn)
            with costing(path):
                made = method.prepare(self.material.generator, method.config, seed)
            self._prepared[path.name] = made
        return self._prepared[path.name]

    def _write(self, contestant: Contestant, place: Place, found: dict[str, Any]) -> None:
        """Write a new cell."""
        cell = {**_named(place, place.title(contestant.name)), **found}
        write_json(self.cells.path(contestant, place), cell)
        self.told(f"{contestant.name}, {place.protocol}, {place.task.name}")


def _named(place: Place, name: str) -> dict[str, Any]:
    """Return where in the table a cell stands."""
    return {
        "protocol": place.protocol,
        "task": place.task.name,
        "exemplar": place.exemplar,
        "method": name,
    }
