"""What the labels so far teach: a segmenter, and fresh generated scans that it has labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from xraysynth.gan.sampling import EXPORTED_PSI, generated_images
from xraysynth.oneshot.annotate.desk import Desk
from xraysynth.oneshot.exemplar import Exemplar, ScanNumber
from xraysynth.oneshot.exemplar_scan import numbered_latents
from xraysynth.oneshot.features import device_of
from xraysynth.oneshot.learn import LearnConfig, learn_segmenter
from xraysynth.oneshot.segmenter import Segmenter

FRESH_FROM = 100_000
"""Number of the first fresh scan: far from those that are proposed."""


@dataclass(frozen=True, kw_only=True)
class LabelledScan:
    """A fresh scan with the segmenter's labels."""

    scan: ScanNumber
    """Seed, number and truncation."""
    image: np.ndarray
    """(H, W, C) uint8 or uint16."""
    label_map: np.ndarray
    """(H, W) uint8: ids that index the desk's classes."""
    confidence: float
    """Mean probability of the labels outside the background, 0 to 1."""


def teach(desk: Desk, exemplars: Sequence[Exemplar]) -> Segmenter:
    """Learn the head from the labels so far: what `xraysynth learn` learns from them, saved."""
    return learn_segmenter(desk.generator, exemplars, LearnConfig(), desk.seed)


def fresh_scans(
    desk: Desk, segmenter: Segmenter, class_names: Sequence[str], which: range
) -> list[LabelledScan]:
    """Return the fresh scans of some numbers, labelled with ids that index `class_names`."""
    numbers = range(FRESH_FROM + which.start, FRESH_FROM + which.stop)
    latent_w = numbered_latents(desk.generator, desk.seed, numbers, EXPORTED_PSI)
    code = torch.from_numpy(latent_w).to(device_of(desk.generator))
    images, scores = segmenter.to(code.device).segment(desk.generator, code)
    labels = segmenter.labels(scores)
    # The desk's classes may have changed since: what is gone shows as background.
    names = list(class_names)
    own = [names.index(name) if name in names else 0 for name in segmenter.class_names]
    maps = np.array(own, np.uint8)[labels.label_map]
    return [
        LabelledScan(
            scan=ScanNumber(seed=desk.seed, index=number, truncation_psi=EXPORTED_PSI),
            image=image,
            label_map=label_map,
            confidence=_mean_confidence(sure, label_map),
        )
        for number, image, label_map, sure in zip(
            numbers, generated_images(desk.generator, images), maps, labels.confidence, strict=True
        )
    ]


def _mean_confidence(confidence: np.ndarray, label_map: np.ndarray) -> float:
    """Return the mean probability where there is more than background."""
    inside = label_map > 0
    return float(confidence[inside].mean() / 255) if inside.any() else 1.0
