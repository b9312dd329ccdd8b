"""What all methods are taught and tested on, made once and kept on disk: exemplars and truths."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from xraysynth.errors import InputError
from xraysynth.evaluate.oracle import Oracle
from xraysynth.evaluate.suite.config import BAG, MaterialConfig
from xraysynth.evaluate.suite.cost import costing
from xraysynth.evaluate.suite.networks import LabelNetworks
from xraysynth.evaluate.suite.proposed import grouping, proposed_exemplar
from xraysynth.evaluate.suite.scan_rows import checked_classes, digest, spread_over_classes
from xraysynth.evaluate.suite.tasks import (
    Task,
    asked,
    bag_task,
    drawn,
    known,
    threat_names,
    threat_task,
)
from xraysynth.files import read_json, sha256_file, write_json
from xraysynth.gan.checkpoint import generator_hash, load_tensors, save_tensors
from xraysynth.gan.generator import Generator
from xraysynth.gan.inversion import invert
from xraysynth.gan.sampling import generated_images
from xraysynth.oneshot.candidates import label_exemplar, label_exemplars
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.exemplar_folder import load_exemplar, save_exemplar
from xraysynth.oneshot.features import SiteMap, device_of
from xraysynth.oneshot.labeller import class_probabilities, split_scans
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream_seed
from xraysynth.scanfile import n_views, open_scans

Choice = Literal["proposed", "random", "unlabelled", "together"]
"""By the labeller's classes and typicality; by lot; by groups of pixels, as `propose` does; several
that hold all classes between them."""
BLOCK = 32
"""Scans in memory at a time."""


@dataclass(frozen=True, kw_only=True)
class JudgedScans:
    """Codes of scans, and what their pixels truly are."""

    latent_w: Tensor
    """(n, num_ws, w_dim)"""
    truth: np.ndarray
    """(n, H, W) uint8, ids of the task."""
    asked: Tensor | None = None
    """(n, labels and classes of clutter): what is known of each, if the generator drew them."""


class Material:
    """Exemplars and truths of one generator, scan file, seed and config; made when asked for."""

    def __init__(  # noqa: PLR0913 (what identifies it)
        self,
        generator: Generator,
        scans: Path,
        config: MaterialConfig,
        seed: int,
        work: Path,
        progress: Progress = silent,
    ) -> None:
        self.generator, self.scans, self.config, self.seed = generator, Path(scans), config, seed
        self.progress, self.work = progress, work
        self.class_names = checked_classes(generator, self.scans)
        self.networks = LabelNetworks(self.scans, config, seed, work, progress)
        self.identity = {
            "generator": generator_hash(generator),
            "scans": sha256_file(self.scans),
            "seed": seed,
            "settings": config.model_dump(mode="json"),
        }
        self.folder = work / f"material-{digest(self.identity)}"
        told = self.folder / "made-from.json"
        if not told.is_file():  # Worker processes find it there, and would disturb one another.
            write_json(told, self.identity)

    @cached_property
    def tasks(self) -> list[Task]:
        """All tasks: the threats most often found, then the bag."""
        counts = np.bincount(self._judged[1].ravel(), minlength=len(self.class_names))
        threats = threat_names(self.generator, self.class_names, counts)
        kept = threats[: self.config.binary_tasks]
        return [*(threat_task(name) for name in kept), bag_task(self.class_names)]

    def make_all(
        self, exemplars: Iterable[tuple[Task, int, Choice]], protocols: Collection[str]
    ) -> None:
        """Make now what will be needed: worker processes must not all make the same."""
        for task, number, choice in exemplars:
            if choice == "together":
                self.chosen_together(task, number)
            else:
                self.exemplar(task, number, choice)
        if "B" in protocols:
            self.inverted(bag_task(self.class_names))

    def exemplar(self, task: Task, number: int, choice: Choice = "proposed") -> Exemplar | None:
        """Return a numbered exemplar, or None where no candidate holds what is asked for."""
        folder = self.folder / "exemplars" / f"{task.name}-{number}-{choice}"
        failure = folder / "failed.json"
        if failure.exists():
            return None
        if not (folder / "exemplar.json").exists():
            with costing(folder):
                try:
                    exemplar = self._labelled(task, number, choice)
                except InputError as error:
                    write_json(failure, {"why": str(error)})
                    return None
                save_exemplar(exemplar, folder)
        return load_exemplar(folder)

    def chosen_together(self, task: Task, number: int) -> list[Exemplar]:
        """Return the exemplars of a numbered pool that hold all classes between them.

        Of fewer candidates than are wanted, as many as there are.
        """
        config = self.config.together
        root = self.folder / "exemplars" / f"{task.name}-{number}-together"
        folders = [root / str(place) for place in range(config.count)]
        if not (root / "made.json").exists():
            with costing(root):
                labeller = task.labeller(self.networks.labeller)
                seed = stream_seed(self.seed, "suite exemplars together", task.name, number)
                found = label_exemplars(
                    self.generator, labeller, config, seed, partial(asked, self.generator, task)
                )
                for exemplar, folder in zip(found, folders, strict=False):
                    save_exemplar(exemplar, folder)
                write_json(root / "made.json", {"count": len(found)})
        made = read_json(root / "made.json")["count"]
        return [load_exemplar(folder) for folder in folders[:made]]

    def generated(self, task: Task) -> JudgedScans:
        """Return generated scans with the oracle's labels (protocol A), the same for all tasks."""
        latent_w, labels = self._judged
        return JudgedScans(
            latent_w=latent_w,
            truth=task.ids(self.class_names)[labels],
            asked=known(
                self.generator,
                bag_task(self.class_names),
                range(len(labels)),
                stream_seed(self.seed, "suite", "test"),
            ),
        )

    def inverted(self, task: Task) -> JudgedScans:
        """Return held-out simulated scans, inverted, with exact masks (protocol B)."""
        tensors, _ = self._inverted
        return JudgedScans(
            latent_w=tensors["latent_w"].to(device_of(self.generator)),
            truth=task.ids(self.class_names)[tensors["masks"].numpy()],
        )

    def inversion_facts(self) -> dict[str, Any]:
        """Return how well scans were inverted, if they were."""
        return dict(self._inverted[1]["facts"]) if self._inverted_path.exists() else {}

    @property
    def _inverted_path(self) -> Path:
        """File of the inverted scans."""
        return self.folder / "inverted.safetensors"

    @cached_property
    def _inverted(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Codes and masks of inverted scans."""
        if not self._inverted_path.exists():
            with costing(self._inverted_path):
                self._invert(self._inverted_path)
        return load_tensors(self._inverted_path, "inverted")

    @cached_property
    def _judged(self) -> tuple[Tensor, np.ndarray]:
        """Codes of the generated scans of all tasks, and the oracle's labels."""
        path = self.folder / "generated.safetensors"
        if not path.exists():
            oracle = self.networks.oracle
            with costing(path):
                codes = self._drawn()
                labels = [self._labels(oracle, batch) for batch in codes]
                tensors = {
                    "latent_w": torch.cat(codes).contiguous(),
                    "labels": torch.from_numpy(np.concatenate(labels).astype(np.uint8)),
                }
                save_tensors(path, tensors, {"kind": "generated", "facts": {}})
        tensors, _ = load_tensors(path, "generated")
        return tensors["latent_w"].to(device_of(self.generator)), tensors["labels"].numpy()

    def _labels(self, oracle: Oracle, latent_w: Tensor) -> np.ndarray:
        """Return the oracle's labels of generated scans."""
        with torch.no_grad():
            images = generated_images(self.generator, self.generator.synthesis(latent_w))
        return class_probabilities(oracle.model, images).argmax(1)

    def _drawn(self) -> list[Tensor]:
        """Return the codes of the scans to test on, in batches, asked for each content in turn."""
        seed, psi = stream_seed(self.seed, "suite", "test"), self.config.truncation_psi
        bag, numbers = bag_task(self.class_names), range(self.config.scans)
        return [
            drawn(self.generator, bag, numbers[start : start + BLOCK], psi, seed)
            for start in range(0, len(numbers), BLOCK)
        ]

    def _labelled(self, task: Task, number: int, choice: Choice) -> Exemplar:
        """Return the best candidate of a pool of its own, labelled by the labeller."""
        labeller, config = task.labeller(self.networks.labeller), self.config.exemplar
        seed = stream_seed(self.seed, "suite exemplar", task.name, number)
        if choice == "unlabelled":
            return proposed_exemplar(self.generator, self._grouping, labeller, config, seed)
        ask: Callable[[Any], Tensor | None] = lambda numbers: asked(  # noqa: E731
            self.generator, task, [2 * n for n in numbers] if task.name != BAG else numbers
        )
        config = config.model_copy(update={"choice": choice})
        return label_exemplar(self.generator, labeller, config, seed, ask)

    @cached_property
    def _grouping(self) -> SiteMap:
        """Groups of pixels by which scans are proposed."""
        path = self.folder / "grouping"
        with costing(path):
            return grouping(self.generator, stream_seed(self.seed, "suite grouping"))

    def _invert(self, path: Path) -> None:
        """Invert held-out scans, as many of each class as there are, and keep their codes."""
        with open_scans(self.scans) as file:
            held_out = split_scans(len(file["images"]), n_views(file)).held_out
            masks = file["masks"][held_out]
            rows = spread_over_classes(masks, len(self.class_names), self.config.inverted)
            images, masks = file["images"][held_out[rows]], masks[rows]
        found = invert(self.generator, images, self.config.inversion, self.seed, self.progress)
        facts = {
            "scans": len(rows),
            "root_mean_square_error": round(float(found.error.mean()), 6),
            "relative_to_the_mean_picture": round(float(found.relative_error.mean()), 6),
        }
        tensors = {
            "latent_w": torch.from_numpy(found.latent_w_plus),
            "masks": torch.from_numpy(masks),
        }
        save_tensors(path, tensors, {"kind": "inverted", "facts": facts})
