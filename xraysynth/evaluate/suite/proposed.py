"""Exemplars chosen as `xraysynth annotate` proposes them: without any label."""

from __future__ import annotations

import numpy as np
import torch

from xraysynth.errors import InputError
from xraysynth.gan.checkpoint import generator_hash
from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import generated_images
from xraysynth.oneshot.choice import classes_present
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.features import SiteMap, device_of
from xraysynth.oneshot.groups import learn_groupings
from xraysynth.oneshot.labelling import ExemplarConfig, Labeller
from xraysynth.oneshot.propose import ProposeConfig, propose


def grouping(generator: Generator, seed: int) -> SiteMap:
    """Return the groups of pixels by which scans are proposed."""
    return learn_groupings(generator, seed)[-1]


def proposed_exemplar(
    generator: Generator, groups: SiteMap, labeller: Labeller, config: ExemplarConfig, seed: int
) -> Exemplar:
    """Return the scan that is proposed first, labelled.

    Raises
    ------
    InputError
        If it holds fewer than two classes.
    """
    limits = ProposeConfig(candidates=config.candidates, truncation_psi=config.truncation_psi)
    best = propose(generator, groups, 1, seed, limits)[0]
    latent_w = torch.from_numpy(best.latent_w).to(device_of(generator))
    with torch.no_grad():
        image = generated_images(generator, generator.synthesis(latent_w[None]))
    probability = labeller.probabilities(image)[0]
    kept = classes_present(probability, config.min_share)
    if len(kept) < 2:
        raise InputError("the scan that was proposed holds fewer than two classes.")
    return Exemplar(
        latent_w=best.latent_w,
        label_map=probability[kept].argmax(0).astype(np.uint8),
        class_names=tuple(labeller.class_names[class_id] for class_id in kept),
        origin=f"{labeller.origin} Proposed first of {config.candidates} generated scans.",
        generator_hash=generator_hash(generator),
        image=image[0],
    )
