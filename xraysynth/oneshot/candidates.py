"""Which of many generated scans become exemplars, and their labels, without a human.

One exemplar is the best trade between many classes and being like other scans. Several are chosen
to hold, together, every class that the labeller finds. A generator that can be asked for contents
is asked for each in turn. Then a scan counts only if the labeller recognises what was asked for,
and its label follows the request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from xraysynth.errors import InputError
from xraysynth.gan.checkpoint import generator_hash
from xraysynth.gan.config import UNKNOWN, NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import generated_images, latents
from xraysynth.oneshot.choice import (
    classes_present,
    clear_classes,
    covering,
    richest,
    strangeness,
)
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.features import device_of
from xraysynth.oneshot.labelling import ExemplarConfig, Labeller
from xraysynth.oneshot.request import RequestRule
from xraysynth.randomness import stream, stream_seed

BLOCK = 32
"""Candidates in memory at a time."""
LEAST = 1e-12
"""Probabilities below are taken for this, so that their logarithms are finite."""

Ask = Callable[[Sequence[int]], torch.Tensor | None]
"""Numbers of candidates to the contents asked of them (n, labels), or None."""


@dataclass(frozen=True, kw_only=True)
class _Candidates:
    """What is known of every candidate."""

    latent_w: torch.Tensor
    """(n, num_ws, w_dim)"""
    clear: np.ndarray
    """(n, classes) in [0, 1], how clearly each shows each class."""
    as_asked: np.ndarray
    """(n,) bool, whether the labeller recognises what was asked for, and nothing else."""


def label_exemplar(
    generator: Generator,
    labeller: Labeller,
    config: ExemplarConfig,
    seed: int,
    ask: Ask = lambda _: None,
) -> Exemplar:
    """Return the best of `config.candidates` generated scans, labelled: `label_exemplars` of one.

    Raises
    ------
    InputError
        If the best candidate holds fewer than two classes.
    """
    one = config.model_copy(update={"count": 1})
    return label_exemplars(generator, labeller, one, seed, ask)[0]


def label_exemplars(
    generator: Generator,
    labeller: Labeller,
    config: ExemplarConfig,
    seed: int,
    ask: Ask = lambda _: None,
) -> list[Exemplar]:
    """Return the best `config.count` of `config.candidates` generated scans, labelled.

    `ask` says what a candidate is asked to hold, of a generator that can be asked.

    Raises
    ------
    InputError
        If one of them holds fewer than two classes.
    """
    pool = _Pool(generator, labeller, config, stream_seed(seed, "exemplar candidates"), ask)
    return [pool.labelled(index) for index in pool.chosen()]


class _Pool:
    """Numbered candidates of one generator, seen by one labeller."""

    def __init__(
        self,
        generator: Generator,
        labeller: Labeller,
        config: ExemplarConfig,
        seed: int,
        ask: Ask,
    ) -> None:
        self.generator, self.labeller, self.config = generator, labeller, config
        self.seed, self._ask = seed, ask
        usable = [name not in config.without for name in labeller.class_names]
        self._usable = np.array(usable)[None, :, None, None]

    def chosen(self) -> list[int]:
        """Return the numbers of the candidates that become exemplars."""
        config, every = self.config, self._candidates()
        n_classes = (every.clear > 0).sum(1)
        # A scan with one class only teaches nothing, however typical it is.
        good = n_classes >= min(2, n_classes.max())
        as_asked = every.as_asked
        if config.count > 1:
            as_asked = as_asked | self._better_than_none(every)
        if (good & as_asked).any():
            good &= as_asked
        usable = np.flatnonzero(good)
        if config.choice == "random":
            lot = stream(self.seed, "exemplar by lot")
            return [int(n) for n in lot.choice(usable, min(config.count, len(usable)), False)]
        strange = strangeness(self.generator, every.latent_w[torch.from_numpy(usable)], self.seed)
        if config.count == 1:
            return [int(usable[richest(n_classes[usable], strange, config.typicality)])]
        places = covering(every.clear[usable], strange, config.typicality, config.count)
        return [int(usable[place]) for place in places]

    def _better_than_none(self, every: _Candidates) -> np.ndarray:
        """Return (n,) bool which candidates show contents that none shows as it was asked for.

        The labeller sees something of the kind there, pliers perhaps where scissors were asked for.
        Named by the request it is an exemplar still, and without one a class cannot be learned.
        """
        contents = {name.casefold() for name in self.generator.config.contents}
        askable = [name.casefold() in contents for name in self.labeller.class_names]
        lacking = np.array(askable) & ~(every.clear[every.as_asked] > 0).any(0)
        return np.asarray((every.clear[:, lacking] > 0).any(1))

    def labelled(self, index: int) -> Exemplar:
        """Return the exemplar of one candidate."""
        config, names = self.config, self.labeller.class_names
        latent_w, image, asked = self._scans([index])
        probability = self._given(self.labeller.probabilities(image), asked)[0]
        kept = classes_present(probability, config.min_share)
        if len(kept) < 2:
            raise InputError(
                f"the best of {config.candidates} generated scans holds fewer than two classes; "
                "train the generator longer, raise exemplar.candidates, or label a scan yourself.",
                code="exemplar-empty",
            )
        return Exemplar(
            latent_w=latent_w[0].cpu().numpy().astype(np.float32),
            label_map=probability[kept].argmax(0).astype(np.uint8),
            class_names=tuple(names[class_id] for class_id in kept),
            origin=(
                f"{self.labeller.origin} Chosen of {config.candidates} generated scans "
                f"{_why(config)}; classes below {config.min_share:.1%} of it are left out."
            ),
            generator_hash=generator_hash(self.generator),
            image=image[0],
        )

    def _candidates(self) -> _Candidates:
        """Look at every candidate."""
        config, latent_w, clear, as_asked = self.config, [], [], []
        for start in range(0, config.candidates, BLOCK):
            codes, images, asked = self._scans(range(start, min(start + BLOCK, config.candidates)))
            latent_w.append(codes)
            plain = self.labeller.probabilities(images) * self._usable
            given = self._given(plain, asked)
            shares = (config.min_share, config.enough_share, config.min_confidence)
            clear += [clear_classes(one, *shares) for one in given]
            seen = np.stack([clear_classes(one, *shares) for one in plain])
            network = self.generator.config
            as_asked.append(recognised(seen, self.labeller.class_names, asked, network))
        return _Candidates(
            latent_w=torch.cat(latent_w), clear=np.stack(clear), as_asked=np.concatenate(as_asked)
        )

    def _scans(
        self, indices: Sequence[int]
    ) -> tuple[torch.Tensor, np.ndarray, torch.Tensor | None]:
        """Return `latent_w` (n, num_ws, w_dim), scans (n, H, W, C) and requests of candidates."""
        generator, asked = self.generator, self._ask(indices)
        with torch.no_grad():
            latent_z = latents(generator, self.seed, indices).to(device_of(generator))
            labels = {} if asked is None else {"labels": asked.to(latent_z.device)}
            latent_w = generator.mapping(latent_z, self.config.truncation_psi, **labels)
            images = generator.synthesis(latent_w, noise_mode="const")
        return latent_w.clone(), generated_images(generator, images), asked

    def _given(self, probability: np.ndarray, asked: torch.Tensor | None) -> np.ndarray:
        """Return probabilities (n, classes, H, W), given what was asked for and may be used."""
        if asked is not None:
            names = self.generator.config.label_names
            rule = replace(RequestRule.of(self.labeller.class_names, names, ()), favour=0.0)
            scores = torch.from_numpy(probability).clamp_min(LEAST).log()
            probability = functional.softmax(rule.scores(scores, asked), 1).numpy()
        given: np.ndarray = probability * self._usable
        return given


def recognised(
    seen: np.ndarray,
    class_names: Sequence[str],
    asked: torch.Tensor | None,
    network: NetworkConfig,
) -> np.ndarray:
    """Tell (n,) in which scans a labeller sees the contents that were asked for, and no others.

    What was not asked for may be seen less than half as clearly: labellers err in a few pixels.

    Parameters
    ----------
    seen : (n, classes) in [0, 1], how clearly the labeller sees each class
    class_names : of its classes; contents that it does not know are not looked for
    asked : (n, labels) multi-hot; None, or a row with "unknown", asked for nothing
    network : of the generator, which names the labels

    Examples
    --------
    >>> network = NetworkConfig(label_names=("gun", "knife"))
    >>> seen = np.array([[1.0, 0.8, 0.1], [1.0, 0.8, 0.5], [1.0, 0.0, 0.0]])
    >>> asked = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    >>> recognised(seen, ("background", "gun", "knife"), asked, network).tolist()
    [True, False, False]
    """
    fine = np.ones(len(seen), bool)
    if asked is None:
        return fine
    own = {name.casefold(): class_id for class_id, name in enumerate(class_names)}
    known = [name for name in network.contents if name.casefold() in own]
    if known:
        clear = seen[:, [own[name.casefold()] for name in known]]
        columns = [network.label_names.index(name) for name in known]
        wanted = asked.cpu().numpy()[:, columns] > 0
        weakest = np.where(wanted, clear, 1).min(1)
        strongest = np.where(wanted, 0, clear).max(1)
        fine = np.where(wanted.any(1), (weakest > 0) & (strongest < weakest / 2), strongest == 0)
    if UNKNOWN in network.label_names:
        fine |= asked.cpu().numpy()[:, network.label_names.index(UNKNOWN)] > 0
    return fine


def _why(config: ExemplarConfig) -> str:
    """Return for what a candidate was chosen, in words."""
    if config.choice == "random":
        return "by lot, of those that hold two classes"
    if config.count == 1:
        return "for holding many classes and, told without labels, for being like the others"
    return f"as one of {config.count} that together hold many classes, each to be seen clearly"
