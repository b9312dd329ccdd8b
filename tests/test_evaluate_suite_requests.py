"""What test scans were asked to hold, and what training on pairs reaches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oneshot_toy import toy_generator, toy_masks, toy_truth
from scipy import stats

from xraysynth.evaluate.suite.counting import counted
from xraysynth.evaluate.suite.downstream_section import share_of
from xraysynth.evaluate.suite.material import JudgedScans
from xraysynth.evaluate.suite.requests import follow, rule_of, with_requests
from xraysynth.evaluate.suite.tasks import Task
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.baselines.batch import FeatureBatch
from xraysynth.oneshot.baselines.model import PixelModel, labelled
from xraysynth.oneshot.clustering import mapped_latents


def asked_rows(generator: Generator) -> torch.Tensor:
    """Every scan is asked for a gun, the toy's disc, but the last two, which are left open."""
    rows = torch.tensor([[1.0, 0.0, 0.0]]).repeat(11, 1)
    rows[-2:] = torch.tensor([0.0, 0.0, 1.0])
    return rows


@pytest.fixture
def askable() -> Generator:
    generator = toy_generator()
    generator.config = generator.config.model_copy(
        update={"label_names": ("gun", "knife", "unknown")}
    )
    return generator


def test_a_request_turns_what_looks_like_another_threat_into_what_was_asked_for(
    askable: Generator,
) -> None:
    """The model calls every disc a knife and every bar a bag; guns were asked for."""
    latent_w = mapped_latents(askable, 11, 1.0, 3, "test")
    truth = toy_truth(latent_w)

    def scores(batch: FeatureBatch) -> torch.Tensor:
        return 9.0 * toy_masks(batch.latent_w)

    names = ("background", "knife", "bag")
    model = PixelModel(generator=askable, class_names=names, scores=scores)
    task = Task(name="bag", class_names=("background", "gun", "knife", "bag"))
    exact = np.array([0, 1, 3], np.uint8)[truth]
    test = JudgedScans(latent_w=latent_w, truth=exact, asked=asked_rows(askable))
    found = counted([(model, task)], [test])[0]
    plain, given = (np.array(c["confusion"]) for c in (found, found["requested"]))
    discs = truth == 1
    assert plain[1].tolist() == [0, 0, discs.sum(), 0]
    assert given[1].tolist() == [0, discs[:9].sum(), discs[9:].sum(), 0]
    assert (given[[0, 3]] == plain[[0, 3]]).all()
    assert with_requests([found])[0]["confusion"] == given.tolist()


def test_requests_known_masks_of_protocol_c_follow_them(askable: Generator) -> None:
    """A detector of guns alone finds nothing where a knife was asked for."""
    latent_w = mapped_latents(askable, 2, 1.0, 3, "test")
    model = PixelModel(
        generator=askable,
        class_names=("background", "gun"),
        scores=lambda batch: 9.0 * toy_masks(batch.latent_w)[:, :2],
    )
    rule, batch = rule_of(model, askable), FeatureBatch(askable, latent_w)
    asked = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    maps = labelled(follow(model.known_scores(batch), rule, asked))[0]
    assert rule is not None
    names = np.array(rule.class_names)[maps]
    discs = toy_truth(latent_w) == 1
    assert set(names[0][discs[0]]) == {"gun"}
    assert set(names[1][discs[1]]) == {"knife"}
    assert rule_of(model, toy_generator()) is None
    assert follow(model.known_scores(batch), None, asked).shape[1] == 2


def test_the_share_of_exact_pairs_has_the_ordinary_interval() -> None:
    own, exact = {0: 0.44, 1: 0.41, 2: 0.47}, {0: 0.5, 1: 0.52, 2: 0.51, 3: 0.9}
    shares = [own[number] / exact[number] for number in own]
    expected = stats.ttest_1samp(shares, 0).confidence_interval(0.95)
    mean, low, high = share_of(own, exact)
    assert mean == pytest.approx(np.mean(shares), abs=1e-4)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-3)
