"""From a generator and a folder to a desk with scans that are worth labelling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xraysynth.errors import CheckpointError, DamagedError, InputError
from xraysynth.gan.checkpoint import generator_hash, load_tensors, save_tensors
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.annotate.desk import Desk
from xraysynth.oneshot.annotate.work import load_work
from xraysynth.oneshot.clustering import Clustering, learn_clusters
from xraysynth.oneshot.features import SiteMap
from xraysynth.oneshot.groups import learn_groupings
from xraysynth.oneshot.learn import LearnConfig
from xraysynth.oneshot.propose import propose
from xraysynth.progress import Progress, silent

PROPOSALS = 8
KIND = "clusters"
CACHE = ".clusters.safetensors"


def open_desk(generator: Generator, folder: Path, seed: int, progress: Progress = silent) -> Desk:
    """Return the desk: as it was left, or with fresh proposals.

    Clustering takes most of the time and is kept in the folder for the next start.

    Raises
    ------
    InputError
        The folder holds work on another generator.
    DamagedError
        The work in the folder is not what was written.
    """
    load_work(folder, generator_hash(generator))  # Work that cannot be taken up is told at once.
    clusters = _clusters(generator, folder, seed, progress)
    desk = Desk(
        generator=generator,
        groupings=learn_groupings(generator, clusters, seed),
        folder=folder,
        seed=seed,
    )
    if not desk.restore():
        proposals = propose(generator, desk.groupings[-1], PROPOSALS, seed)
        total = len(desk.groupings[-1].bias)
        desk.put(
            [proposal.scan for proposal in proposals],
            [f"{proposal.n_groups} of {total} groups" for proposal in proposals],
        )
        desk.autosave()
    return desk


def _clusters(generator: Generator, folder: Path, seed: int, progress: Progress) -> Clustering:
    """Return the clustering that `xraysynth learn` would learn, from the folder if it is there."""
    config, facts = LearnConfig(), _facts(generator, seed)
    kept = _kept(folder / CACHE, facts, generator)
    if kept is not None:
        return kept
    clusters = learn_clusters(generator, config.interpolation, config.cluster, seed, progress)
    keep_clusters(clusters, generator, folder, seed)
    return clusters


def keep_clusters(clusters: Clustering, generator: Generator, folder: Path, seed: int) -> None:
    """Keep a clustering in a folder as the one that the default settings and the seed give."""
    tensors = {f"site{index}": w for index, w in enumerate(clusters.site_map.weights)}
    tensors |= {"bias": clusters.site_map.bias, "prototypes": clusters.prototypes}
    save_tensors(folder / CACHE, tensors, _facts(generator, seed))


def _facts(generator: Generator, seed: int) -> dict[str, Any]:
    """Return what tells whether a kept clustering still serves."""
    return {
        "kind": KIND,
        "generator": generator_hash(generator),
        "seed": seed,
        "settings": LearnConfig().cluster.model_dump(mode="json"),
    }


def _kept(path: Path, facts: dict[str, Any], generator: Generator) -> Clustering | None:
    """Return a clustering that was kept, or None if there is none of these facts."""
    if not path.is_file():
        return None
    try:
        tensors, found = load_tensors(path, KIND)
        if found != facts:
            return None
        weights = tuple(tensors[f"site{index}"] for index in range(len(generator.sites)))
        site_map = SiteMap(weights=weights, bias=tensors["bias"])
        return Clustering(site_map=site_map, prototypes=tensors["prototypes"], losses=())
    except (InputError, DamagedError, CheckpointError, KeyError):
        return None  # It can always be made again.
