"""Every method learns from one scan of a toy whose truth is known; the recipe is as published."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oneshot_toy import CLASSES, toy_exemplar, toy_generator, toy_truth

from xraysynth.errors import InputError
from xraysynth.evaluate.metrics import Confusion, mean_iou
from xraysynth.oneshot.baselines import networks
from xraysynth.oneshot.baselines.batch import FeatureBatch
from xraysynth.oneshot.baselines.feature_maps import (
    BaselineConfig,
    sampled_pixels,
    standard_features,
    standard_statistics,
)
from xraysynth.oneshot.baselines.linear import principal_components
from xraysynth.oneshot.baselines.model import Method
from xraysynth.oneshot.baselines.published import (
    FewOutputs,
    PublishedConfig,
    learn_projection,
    teach_head,
)
from xraysynth.oneshot.baselines.training import (
    per_pixel_layers,
    pixels_of,
    seeded,
    split_first,
    through_layers,
    trained,
)
from xraysynth.oneshot.clustering import ClusterConfig, mapped_latents
from xraysynth.oneshot.features import concatenated, project
from xraysynth.oneshot.head import HeadConfig
from xraysynth.oneshot.learn import LearnConfig
from xraysynth.oneshot.methods import METHODS, OURS, method
from xraysynth.oneshot.views import ViewConfig
from xraysynth.settings import Settings

SWAP = ViewConfig(swap_from_px=8)
PLAIN = BaselineConfig(
    statistics_images=8,
    pixels=1024,
    dim=16,
    clusters=24,
    networks=3,
    network_steps=80,
    steps=80,
    learning_rate=0.01,
)
RECIPE = PublishedConfig(
    steps=6, draws=2, pixels=51_200, dim=24, prototypes=40, head_learning_rate=0.02, head_steps=60
)
OWN = LearnConfig(
    cluster=ClusterConfig(
        steps=10, images=4, pixels=128, dim=12, prototypes=16, statistics_images=8, views=SWAP
    ),
    head=HeadConfig(swap=SWAP),
    smoothing_px=0,
)


def small(name: str) -> Method:
    config: Settings = {OURS: OWN, "published": RECIPE}.get(name, PLAIN)
    return METHODS[name].changed(name, METHODS[name].summary, config)


@pytest.mark.parametrize("name", list(METHODS))
def test_each_method_labels_unseen_scans_far_better_than_background(name: str) -> None:
    generator = toy_generator()
    state = torch.random.get_rng_state()
    exemplar = toy_exemplar(generator)
    model = small(name)(generator, [exemplar], 0)
    latent_w = mapped_latents(generator, 20, 1.0, 9, "unseen")
    label_map, probability = model.segment(latent_w)
    again = small(name)(generator, [exemplar], 0).segment(latent_w)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.array_equal(again[1], probability)
    assert label_map.shape == (20, 16, 16) and label_map.dtype == np.uint8
    assert np.allclose(probability.sum(1), 1, atol=1e-5)
    assert np.array_equal(probability.argmax(1), label_map)
    truth = toy_truth(latent_w)
    counts, chance = Confusion(CLASSES), Confusion(CLASSES)
    counts.add(truth, label_map)
    chance.add(truth, np.zeros_like(truth))
    assert mean_iou(counts.matrix) > 1.6 * mean_iou(chance.matrix)


def test_an_unknown_method_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no method 'lineare'; did you mean linear\?"):
        method("lineare")


def test_principal_components_are_uncorrelated_and_of_deviation_one() -> None:
    generator = toy_generator()
    site_map = principal_components(generator, PLAIN.model_copy(update={"dim": 6}), 0)
    statistics = standard_statistics(generator, PLAIN, 0)
    pixels = sampled_pixels(generator, statistics, PLAIN, 0)
    weight = torch.cat([w * s for w, s in zip(site_map.weights, statistics.std, strict=True)], 1)
    found = (pixels - pixels.mean(0)) @ weight.T
    assert torch.allclose(found.T @ found / len(found), torch.eye(6), atol=1e-2)


def test_the_recipe_learns_its_projection_and_its_head_reads_nine_pixels() -> None:
    generator = toy_generator()
    long = RECIPE.model_copy(update={"steps": 30, "temperature": 0.1})
    losses = learn_projection(generator, long, 0).losses
    assert len(losses) == 60
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    prepared = learn_projection(generator, RECIPE, 0)
    latent_w = mapped_latents(generator, 1, 1.0, 0, "x")
    _, streamed = project(generator, latent_w, prepared.site_map, "nearest")
    plain = torch.einsum(
        "dc,nchw->ndhw",
        torch.cat(prepared.site_map.weights, 1),
        concatenated(generator, latent_w, "nearest"),
    )
    assert torch.allclose(streamed, plain, atol=1e-4)
    model = teach_head(generator, prepared, [toy_exemplar(generator)], RECIPE, 0)
    assert model.scores(FeatureBatch(generator, latent_w)).shape == (1, 3, 16, 16)


def test_views_turned_apart_share_fewer_pixels_than_views_turned_alike() -> None:
    generator = toy_generator()
    losses = {
        warp: np.mean(
            learn_projection(
                generator, RECIPE.model_copy(update={"warp": warp, "temperature": 0.1}), 0
            ).losses
        )
        for warp in ("alike", "apart")
    }
    assert losses["alike"] < losses["apart"]


@pytest.mark.parametrize("name", ["mlp-ensemble", "cnn"])
def test_layers_on_small_maps_equal_the_plain_network(name: str) -> None:
    """The first layer commutes with upsampling: no concatenated features are needed."""
    generator = toy_generator()
    statistics = standard_statistics(generator, PLAIN, 0)
    build = {"mlp-ensemble": networks.per_pixel, "cnn": networks.convolutions}[name]
    latent_w = mapped_latents(generator, 3, 1.0, 5, "first layer")
    maps = standard_features(generator, latent_w, statistics)
    values = pixels_of(maps) if name == "mlp-ensemble" else maps
    labels = torch.arange(values.numel() // 30).reshape(values[:, 0].shape) % 3
    network = trained(seeded(lambda: build(30, 3), 1), [(values, labels)] * 3, 0.01)
    found = split_first(generator, network, statistics)(FeatureBatch(generator, latent_w))
    if name == "cnn":
        assert torch.allclose(found, network.get_submodule("0")(values), atol=1e-4)
    else:
        expected = network(values).reshape(3, 16, 16, 3).permute(0, 3, 1, 2)
        assert torch.allclose(through_layers(found, per_pixel_layers(network)), expected, atol=1e-4)


def test_few_outputs_equal_the_ordinary_convolution() -> None:
    own = seeded(lambda: FewOutputs(5, 3, 3, padding=1), 0)
    plain = seeded(lambda: torch.nn.Conv2d(5, 3, 3, padding=1), 0)
    maps = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 5, 6, 7))).float()
    assert torch.allclose(own(maps), plain(maps), atol=1e-5)
