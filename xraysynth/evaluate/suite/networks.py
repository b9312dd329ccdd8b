"""The two networks that label scans: the judge and the stand-in for a person.

They learn from simulated scans alone, so all generators that are measured on the same scans share
them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from xraysynth.evaluate.oracle import Oracle, train_oracle
from xraysynth.evaluate.suite.config import MaterialConfig
from xraysynth.evaluate.suite.cost import costing
from xraysynth.evaluate.suite.scan_rows import digest
from xraysynth.files import sha256_file
from xraysynth.gan.checkpoint import load_tensors, save_tensors
from xraysynth.oneshot.labeller import PixelClassifier
from xraysynth.oneshot.labelling import Labeller, labeller_of, train_labeller
from xraysynth.progress import Progress, silent
from xraysynth.scanfile import class_names, open_scans

Trained = Callable[[], tuple[PixelClassifier, dict[str, Any]]]
"""Train a network; return it and what is to be known of it."""


class LabelNetworks:
    """The judge and the labeller of some scans, seed and settings; trained when first asked for."""

    def __init__(
        self,
        scans: Path,
        config: MaterialConfig,
        seed: int,
        work: Path,
        progress: Progress = silent,
    ) -> None:
        self.scans, self.config, self.seed, self.progress = scans, config, seed, progress
        identity = {"scans": sha256_file(scans), "seed": seed}
        self.folder = work / f"scans-{digest(identity)}"

    @cached_property
    def oracle(self) -> Oracle:
        """The judge of generated scans."""
        config = self.config.oracle

        def train() -> tuple[PixelClassifier, dict[str, Any]]:
            oracle = train_oracle(self.scans, config, self.seed, self.progress)
            return oracle.model, oracle.facts

        name = f"oracle-{digest(config.model_dump(mode='json'))}"
        model, facts = self._kept(name, config.unet.width, train)
        return Oracle(model=model, facts=facts)

    @cached_property
    def labeller(self) -> Labeller:
        """The stand-in for a person."""
        config = self.config.exemplar

        def train() -> tuple[PixelClassifier, dict[str, Any]]:
            model, origin = train_labeller(self.scans, config, self.seed, self.progress)
            return model, {"origin": origin}

        name = f"labeller-{digest(config.unet.model_dump(mode='json'))}"
        model, facts = self._kept(name, config.unet.width, train)
        return labeller_of(model, facts["origin"])

    def _kept(self, name: str, width: int, train: Trained) -> tuple[PixelClassifier, Any]:
        """Return the network of an earlier run, or train it."""
        path = self.folder / f"{name}.safetensors"
        if not path.exists():
            with costing(path):
                trained, facts = train()
                tensors = {n: t.contiguous() for n, t in trained.state_dict().items()}
                save_tensors(path, tensors, {"kind": "classifier", "facts": facts})
        tensors, metadata = load_tensors(path, "classifier")
        with open_scans(self.scans) as file:
            names, channels = class_names(file), file["images"].shape[3]
        with torch.random.fork_rng(devices=[]):
            model = PixelClassifier(channels, names, width)
        model.load_state_dict(tensors)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model.eval(), metadata["facts"]
