"""The equations that both networks descend; one equation, one function.

References
----------
.. [1] I. Goodfellow et al., NeurIPS 2014 (non-saturating loss).
.. [2] A. Jolicoeur-Martineau, "The relativistic discriminator", ICLR 2019.
.. [3] L. Mescheder et al., "Which Training Methods for GANs do actually Converge?",
       ICML 2018 (R1, R2).
.. [4] A. Odena, C. Olah, J. Shlens, "Conditional Image Synthesis with Auxiliary Classifier
       GANs", ICML 2017.
.. [5] T. Karras et al., CVPR 2020, section 3.2 (path length).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from xraysynth.gan.convolve import without_weight_gradients

LossName = Literal["non_saturating", "relativistic"]


def generator_loss(name: LossName, fake_score: Tensor, real_score: Tensor) -> Tensor:
    """Return the generator's loss; the relativistic one compares pairs of real and fake.

    (n, 1), (n, 1) -> ()
    """
    if name == "relativistic":
        return F.softplus(real_score - fake_score).mean()
    return F.softplus(-fake_score).mean()


def discriminator_loss(name: LossName, fake_score: Tensor, real_score: Tensor) -> Tensor:
    """Return the discriminator's loss.

    (n, 1), (n, 1) -> ()
    """
    if name == "relativistic":
        return F.softplus(fake_score - real_score).mean()
    return F.softplus(fake_score).mean() + F.softplus(-real_score).mean()


def contents_loss(named: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    """Return how far the named contents are from the labels, where those are known (AC-GAN).

    logits (n, contents), multi-hot (n, contents), (n,) 1 where known -> ()
    """
    loss = F.binary_cross_entropy_with_logits(named, labels, reduction="none").sum(dim=1)
    return (loss * known).mean()


def gradient_penalty(images: Tensor, score: Tensor) -> Tensor:
    """Return the squared norm of the score's gradient for each image (R1 on real, R2 on fake).

    `images` must require a gradient. Multiply the mean by gamma / 2.
    (n, c, h, w), (n, 1) -> (n,)
    """
    with without_weight_gradients():
        (gradient,) = torch.autograd.grad(score.sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3))


def path_lengths(images: Tensor, latent_w: Tensor, noise: Tensor) -> Tensor:
    """Return how far a random image direction moves w: the norm of J^T y, averaged over rows.

    `noise` is standard normal; it is divided by sqrt(height * width) here.
    (n, c, h, w), (n, num_ws, w_dim), (n, c, h, w) -> (n,)
    """
    scaled = noise / math.sqrt(images.shape[2] * images.shape[3])
    with without_weight_gradients():
        (gradient,) = torch.autograd.grad((images * scaled).sum(), latent_w, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()
