"""Tasks: one threat against all else, with one label; and the bag with all its classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from xraysynth import schema
from xraysynth.evaluate.suite.config import BAG
from xraysynth.gan.config import UNKNOWN
from xraysynth.gan.contents import requested_labels
from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import latents
from xraysynth.oneshot.features import device_of
from xraysynth.oneshot.labelling import Labeller
from xraysynth.oneshot.request import known_of
from xraysynth.randomness import stream_seed


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be told apart."""

    name: str
    """A threat, or "bag"."""
    class_names: tuple[str, ...]
    """Background first."""

    def ids(self, names: Sequence[str]) -> np.ndarray:
        """Return the task's id of each class; background for those that it does not ask for.

        Examples
        --------
        >>> knife = Task(name="knife", class_names=("background", "knife"))
        >>> knife.ids(("background", "bag", "knife")).tolist()
        [0, 0, 1]
        """
        own = list(self.class_names)
        return np.array([own.index(name) if name in own else 0 for name in names], np.uint8)

    def labeller(self, labeller: Labeller) -> Labeller:
        """Return a labeller of this task's classes alone, which labels as that of all classes does.

        What is not asked for is as likely as the likeliest class in it: the sum of many small
        shares would hide a small threat that is likelier than any other single class.
        """
        ids = self.ids(labeller.class_names)

        def probabilities(images: np.ndarray) -> np.ndarray:
            every = labeller.probabilities(images)
            own = np.zeros((len(every), len(self.class_names), *every.shape[2:]), every.dtype)
            for class_id, own_id in enumerate(ids):
                own[:, own_id] = np.maximum(own[:, own_id], every[:, class_id])
            return np.asarray(own / own.sum(1, keepdims=True))

        return Labeller(
            probabilities=probabilities, class_names=self.class_names, origin=labeller.origin
        )


def bag_task(names: Sequence[str]) -> Task:
    """Return the task of all classes."""
    return Task(name=BAG, class_names=tuple(names))


def threat_task(threat: str) -> Task:
    """Return the task of one threat."""
    return Task(name=threat, class_names=("background", threat))


def threat_names(generator: Generator, names: Sequence[str], counts: np.ndarray) -> list[str]:
    """Return the threats that may have a task: asked for by name if the generator can be asked.

    `counts` are the pixels of each class that the oracle found; most first.
    """
    known = schema.classes()
    order = sorted(range(len(names)), key=lambda class_id: -counts[class_id])
    contents = generator.config.contents
    return [
        names[class_id]
        for class_id in order
        if names[class_id] in known
        and known[names[class_id]].group == "threat"
        and (names[class_id] in contents if contents else counts[class_id] > 0)
    ]


def asked(generator: Generator, task: Task, numbers: Sequence[int]) -> Tensor | None:
    """Return what numbered scans of a task are asked to hold, if the generator can be asked.

    Every other scan of a threat's task is asked for it, the others are left open; those of the bag
    are asked for each of the contents in turn.
    """
    config = generator.config
    if not config.contents:
        return None
    if task.name == BAG:
        return requested_labels(config, (), True, numbers)
    wanted = requested_labels(config, (task.name,), False, numbers)
    left_open = torch.tensor([float(name == UNKNOWN) for name in config.label_names])
    assert wanted is not None
    wanted[[place for place, number in enumerate(numbers) if number % 2]] = left_open
    return wanted


def known(generator: Generator, task: Task, numbers: Sequence[int], seed: int) -> Tensor | None:
    """Return what is known of the scans that `drawn` draws, as `RequestRule.scores` takes it."""
    return known_of(
        generator.config.clutter,
        asked(generator, task, numbers),
        latents(generator, stream_seed(seed, "suite scans", task.name), numbers),
    )


def drawn(
    generator: Generator, task: Task, numbers: Sequence[int], psi: float, seed: int
) -> Tensor:
    """Return `latent_w` (n, num_ws, w_dim) of numbered scans of a task."""
    own_seed = stream_seed(seed, "suite scans", task.name)
    with torch.no_grad():
        latent_z = latents(generator, own_seed, numbers).to(device_of(generator))
        labels = asked(generator, task, numbers)
        if labels is None:
            return generator.mapping(latent_z, psi).clone()
        return generator.mapping(latent_z, psi, labels.to(latent_z.device)).clone()
