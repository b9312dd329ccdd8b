"""Which generated scans to label: few that hold most of what there is, and are like the others.

Nothing here sees a label. What there is to tell apart is known as groups of pixels
(`groups.py`, or a segmenter's own classes); how typical a scan is,
by `choice.strangeness`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field

from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import EXPORTED_PSI
from xraysynth.oneshot.choice import strangeness
from xraysynth.oneshot.exemplar import ScanNumber
from xraysynth.oneshot.exemplar_scan import numbered_latents
from xraysynth.oneshot.features import SiteMap, device_of
from xraysynth.oneshot.groups import group_maps
from xraysynth.oneshot.segmenter import Segmenter
from xraysynth.settings import Settings


class ProposeConfig(Settings):
    """How scans are compared."""

    candidates: int = Field(128, ge=1)
    """Generated scans to choose from."""
    truncation_psi: float = Field(EXPORTED_PSI, gt=0, le=1)
    """Truncation of the candidates."""
    enough_share: float = Field(0.01, gt=0, lt=1)
    """A group counts in full from this share of a scan's pixels on, and in part below."""
    typicality: float = Field(1.0, ge=0)
    """Weight of being like other scans against covering groups, in standard deviations."""
    variety: float = Field(1.0, ge=0)
    """Weight of being unlike the proposals before it, in standard deviations."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One generated scan that is worth labelling."""

    scan: ScanNumber
    """Seed, number and truncation."""
    latent_w: np.ndarray
    """(num_ws, w_dim) float32."""
    n_groups: int
    """Groups that it shows enough of."""
    strangeness: float
    """Mean distance of other scans' pixels to its own; small is typical."""


def propose(
    generator: Generator,
    grouping: SiteMap | Segmenter,
    count: int,
    seed: int,
    config: ProposeConfig | None = None,
) -> list[Proposal]:
    """Return `count` scans, the one whose label would teach most first.

    Each next one is chosen for the groups that those before it lack or show least. Candidate i is
    the scan that `xraysynth generate` numbers i for the seed, at another truncation. Deterministic
    for a seed.

    Parameters
    ----------
    generator : whose scans are to be labelled
    grouping : what tells pixels apart: k-means groups or a segmenter
    count : at most `config.candidates`
    seed : of the candidates
    """
    config = config or ProposeConfig()
    latent_w = numbered_latents(generator, seed, range(config.candidates), config.truncation_psi)
    on_device = torch.from_numpy(latent_w).to(device_of(generator))
    site_map = _scores_of(grouping)
    maps = group_maps(generator, on_device, site_map)
    shown = coverage(maps, len(site_map.bias), config.enough_share)
    strange = strangeness(generator, on_device, seed)
    order = choose(shown, strange, likeness(maps), count, config)
    return [
        Proposal(
            scan=ScanNumber(seed=seed, index=index, truncation_psi=config.truncation_psi),
            latent_w=latent_w[index],
            n_groups=int((shown[index] >= 1).sum()),
            strangeness=float(strange[index]),
        )
        for index in order
    ]


def coverage(maps: np.ndarray, n_groups: int, enough_share: float) -> np.ndarray:
    """Return how fully each scan shows each group (scan, group), 1 from `enough_share` on.

    Examples
    --------
    >>> coverage(np.array([[[0, 0], [0, 1]]]), 3, 0.5).tolist()
    [[1.0, 0.5, 0.0]]
    """
    n_pixels = maps[0].size
    counts = np.stack([np.bincount(m.ravel(), minlength=n_groups) for m in maps])
    return np.minimum(counts / (enough_share * n_pixels), 1.0)


def likeness(maps: np.ndarray) -> np.ndarray:
    """Return how much two scans have in common (scan, scan): the share of pixels of one group.

    Examples
    --------
    >>> likeness(np.array([[[0, 1]], [[0, 0]]])).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    flat = maps.reshape(len(maps), -1)
    return np.stack([(flat == one).mean(1) for one in flat])


def choose(
    shown: np.ndarray, strange: np.ndarray, alike: np.ndarray, count: int, config: ProposeConfig
) -> list[int]:
    """Return indices of scans that together show most groups, best first.

    Greedy: each adds most of what is missing, less its strangeness, less its likeness to the
    nearest one before it, all in units of their spread over the candidates. A group that k scans
    show already counts as 1 / (k + 1).

    Parameters
    ----------
    shown : (scan, group) in [0, 1]
    strange : (scan,), smaller is more typical
    alike : (scan, scan) in [0, 1]

    Examples
    --------
    >>> shown = np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    >>> choose(shown, np.zeros(3), np.eye(3), 2, ProposeConfig())
    [0, 2]
    """
    spread = max(float(shown.sum(1).std()), 1e-9)
    penalty = config.typicality * (strange - strange.mean()) / max(float(strange.std()), 1e-9)
    apart = alike[~np.eye(len(alike), dtype=bool)] if len(alike) > 1 else np.zeros(1)
    repeats = config.variety * (alike - apart.mean()) / max(float(apart.std()), 1e-9)
    covered = np.zeros(shown.shape[1])
    nearest = np.full(len(shown), -np.inf)
    chosen: list[int] = []
    for _ in range(min(count, len(shown))):
        added = (shown / (1 + covered)).sum(1) / spread
        gain = added - penalty - np.maximum(nearest, 0)
        gain[chosen] = -np.inf
        chosen.append(int(np.argmax(gain)))
        covered += shown[chosen[-1]]
        nearest = np.maximum(nearest, repeats[chosen[-1]])
    return chosen


def _scores_of(grouping: SiteMap | Segmenter) -> SiteMap:
    """Return the map to one score a group; the length of a pixel does not change the highest."""
    if isinstance(grouping, Segmenter):
        return grouping.site_map
    return grouping
