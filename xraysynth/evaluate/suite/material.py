"""What all methods are taught and tested on, made once and kept on disk: exemplars and truths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from xraysynth.errors import InputError
from xraysynth.evaluate.oracle import Oracle, train_oracle
from xraysynth.evaluate.suite.config import BAG, MaterialConfig
from xraysynth.evaluate.suite.scan_rows import checked_classes, digest, spread_over_classes
from xraysynth.evaluate.suite.tasks import (
    Task,
    asked,
    bag_task,
    drawn,
    threat_names,
    threat_task,
)
from xraysynth.files import read_json, sha256_file, write_json
from xraysynth.gan.checkpoint import generator_hash, load_tensors, save_tensors
from xraysynth.gan.generator import Generator
from xraysynth.gan.inversion import invert
from xraysynth.gan.sampling import generated_images
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.exemplar_folder import load_exemplar, save_exemplar
from xraysynth.oneshot.features import device_of
from xraysynth.oneshot.labeller import PixelClassifier, class_probabilities, split_scans
from xraysynth.oneshot.labelling import Labeller, label_exemplar, simulator_labeller
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream_seed
from xraysynth.scanfile import n_views, open_scans

Choice = Literal["proposed", "random"]
BLOCK = 32
"""Scans in memory at a time."""


@dataclass(frozen=True, kw_only=True)
class TestSet:
    """Codes of scans, and what their pixels truly are."""

    latent_w: Tensor
    """(n, num_ws, w_dim)"""
    truth: np.ndarray
    """(n, H, W) uint8, ids of the task."""


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
        self.progress = progress
        self.class_names = checked_classes(generator, self.scans)
        self.identity = {
            "generator": generator_hash(generator),
            "scans": sha256_file(self.scans),
            "seed": seed,
            "settings": config.model_dump(mode="json"),
        }
        self.folder = work / f"material-{digest(self.identity)}"
        write_json(self.folder / "made-from.json", self.identity)
        self._oracle: Oracle | None = None
        self._labeller: Labeller | None = None
        self._truths: dict[str, TestSet] = {}

    @property
    def oracle(self) -> Oracle:
        """The judge of generated scans."""
        if self._oracle is None:
            self._oracle = self._load_or_train()
        return self._oracle

    def tasks(self) -> list[Task]:
        """Return all tasks: the threats most often found, then the bag."""
        path = self.folder / "tasks.json"
        bag = bag_task(self.class_names)
        if not path.exists():
            counts = np.zeros(len(self.class_names), np.int64)
            for batch in self._generated(bag, "tasks"):
                counts += np.bincount(self._labels(batch).ravel(), minlength=len(counts))
            found = threat_names(self.generator, self.class_names, counts)
            share = counts / max(int(counts.sum()), 1)
            named = {n: round(float(s), 6) for n, s in zip(self.class_names, share, strict=True)}
            write_json(path, {"threats": found, "share_that_the_oracle_finds": named})
        threats = read_json(path)["threats"][: self.config.binary_tasks]
        return [*(threat_task(name) for name in threats), bag]

    def exemplar(self, task: Task, number: int, choice: Choice = "proposed") -> Exemplar | None:
        """Return a numbered exemplar, or None where no candidate holds what is asked for."""
        folder = self.folder / "exemplars" / f"{task.name}-{number}-{choice}"
        failure = folder / "failed.json"
        if failure.exists():
            return None
        if not (folder / "exemplar.json").exists():
            try:
                exemplar = self._labelled(task, number, choice)
            except InputError as error:
                write_json(failure, {"why": str(error)})
                return None
            save_exemplar(exemplar, folder)
        return load_exemplar(folder)

    def generated(self, task: Task) -> TestSet:
        """Return generated scans with the oracle's labels (protocol A)."""
        if task.name not in self._truths:
            ids = task.ids(self.class_names)
            batches = list(self._generated(task, "test"))
            truth = np.concatenate([ids[self._labels(batch)] for batch in batches])
            self._truths[task.name] = TestSet(latent_w=torch.cat(batches), truth=truth)
        return self._truths[task.name]

    def inverted(self, task: Task) -> TestSet:
        """Return held-out simulated scans, inverted, with exact masks (protocol B)."""
        path = self.folder / "inverted.safetensors"
        if not path.exists():
            self._invert(path)
        tensors, _ = load_tensors(path, "inverted")
        return TestSet(
            latent_w=tensors["latent_w"].to(device_of(self.generator)),
            truth=task.ids(self.class_names)[tensors["masks"].numpy()],
        )

    def inversion_facts(self) -> dict[str, Any]:
        """Return how well scans were inverted, if they were."""
        path = self.folder / "inverted.safetensors"
        return dict(load_tensors(path, "inverted")[1]["facts"]) if path.exists() else {}

    def _load_or_train(self) -> Oracle:
        """Return the oracle of an earlier run, or train it."""
        path, config = self.folder / "oracle.safetensors", self.config.oracle
        if not path.exists():
            oracle = train_oracle(self.scans, config, self.seed, self.progress)
            tensors = {n: t.contiguous() for n, t in oracle.model.state_dict().items()}
            save_tensors(path, tensors, {"kind": "oracle", "facts": oracle.facts})
        tensors, metadata = load_tensors(path, "oracle")
        with torch.random.fork_rng(devices=[]):
            model = PixelClassifier(
                self.generator.image_channels, self.class_names, config.unet.width
            )
        model.load_state_dict(tensors)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return Oracle(model=model.eval(), facts=metadata["facts"])

    def _labels(self, latent_w: Tensor) -> np.ndarray:
        """Return the oracle's labels of generated scans."""
        with torch.no_grad():
            images = generated_images(self.generator, self.generator.synthesis(latent_w))
        return class_probabilities(self.oracle.model, images).argmax(1)

    def _generated(self, task: Task, purpose: str) -> list[Tensor]:
        """Return the codes of a task's scans in batches."""
        seed, psi = stream_seed(self.seed, "suite", purpose), self.config.truncation_psi
        numbers = range(self.config.scans)
        return [
            drawn(self.generator, task, numbers[start : start + BLOCK], psi, seed)
            for start in range(0, len(numbers), BLOCK)
        ]

    def _labelled(self, task: Task, number: int, choice: Choice) -> Exemplar:
        """Return the best candidate of a pool of its own, labelled by the labeller."""
        if self._labeller is None:
            self._labeller = simulator_labeller(
                self.scans, self.config.exemplar, self.seed, self.progress
            )
        config = self.config.exemplar.model_copy(update={"choice": choice})
        seed = stream_seed(self.seed, "suite exemplar", task.name, number)
        ask: Callable[[Any], Tensor | None] = lambda numbers: asked(  # noqa: E731
            self.generator, task, [2 * n for n in numbers] if task.name != BAG else numbers
        )
        return label_exemplar(self.generator, task.labeller(self._labeller), config, seed, ask)

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
