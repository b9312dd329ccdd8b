"""All ways to learn a segmenter from one labelled scan, by name: ours first, then the others."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from xraysynth.errors import InputError
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.baselines import kmeans, linear, networks, published
from xraysynth.oneshot.baselines.feature_maps import BaselineConfig
from xraysynth.oneshot.baselines.model import Method, PixelModel
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.features import SiteMap, device_of
from xraysynth.oneshot.learn import LearnConfig, learn_head, read_map
from xraysynth.settings import nearest

OURS, PUBLISHED = "ours", "published"


def teach_ours(
    generator: Generator,
    prepared: SiteMap,
    exemplars: Sequence[Exemplar],
    config: LearnConfig,
    seed: int,
) -> PixelModel:
    """Return our segmenter, as `learn` and `export` use it."""
    learned = learn_head(prepared, generator, exemplars, config, seed)
    segmenter = learned.to(device_of(generator))
    return PixelModel(
        generator=generator,
        class_names=segmenter.class_names,
        scores=lambda batch: segmenter.segment(generator, batch.latent_w)[1],
    )


def _table() -> dict[str, Method]:
    """Return every method by name."""
    plain = BaselineConfig()
    methods = (
        Method(
            name=OURS,
            summary="linear head on fine features, taught as well by scans asked for contents",
            config=LearnConfig(),
            prepare=read_map,
            teach=teach_ours,
        ),
        Method(
            name=PUBLISHED,
            summary="the published recipe: 512 values, 4,000 prototypes, 3x3 head",
            config=published.PublishedConfig(),
            prepare=published.learn_projection,
            teach=published.teach_head,
        ),
        Method(
            name="k-means",
            summary="k-means on all features, clusters named by the exemplar",
            config=plain,
            prepare=kmeans.nearest_centre,
            teach=kmeans.teach_names,
        ),
        Method(
            name="pca",
            summary="principal components of all features, linear head",
            config=plain,
            prepare=linear.principal_components,
            teach=linear.teach_linear,
        ),
        Method(
            name="random",
            summary="random projection of all features, linear head",
            config=plain,
            prepare=linear.random_projection,
            teach=linear.teach_linear,
        ),
        Method(
            name="linear",
            summary="linear head on all features (LinearGAN)",
            config=plain,
            prepare=linear.all_features,
            teach=linear.teach_linear,
        ),
        Method(
            name="mlp-ensemble",
            summary="ten per-pixel networks on all features (DatasetGAN)",
            config=plain,
            prepare=networks.prepare,
            teach=networks.teach_ensemble,
        ),
        Method(
            name="cnn",
            summary="small dilated network on all features (RepurposeGAN)",
            config=plain,
            prepare=networks.prepare,
            teach=networks.teach_convolutions,
        ),
    )
    return {method.name: method for method in methods}


METHODS = MappingProxyType(_table())
"""Every method by name, in the order of tables."""


def method(name: str) -> Method:
    """Return a method by its name.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> method("pca").summary
    'principal components of all features, linear head'
    """
    if name not in METHODS:
        guess = nearest(name, list(METHODS))
        hint = f"did you mean {guess}?" if guess else f"want one of {', '.join(METHODS)}."
        raise InputError(f"there is no method {name!r}; {hint}")
    return METHODS[name]
