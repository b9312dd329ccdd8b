"""Convolutions whose second derivative is as fast as the first.

PyTorch gets a convolution's second derivative with respect to its weights by a convolution whose
kernel is as large as the feature map, which processors have no fast form for; and it computes one
for constant filters too. Here every derivative is again one of three ordinary operations: the
convolution, its gradient in the input, its gradient in the weights. All three are bilinear, and
each one's derivatives are the other two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Grad = Tensor | None
_weights_wanted = True
_differentiated_twice = False


@contextmanager
def second_derivatives() -> Iterator[None]:
    """Inside, networks convolve so that a second derivative costs little; the first costs more."""
    global _differentiated_twice
    before, _differentiated_twice = _differentiated_twice, True
    try:
        yield
    finally:
        _differentiated_twice = before


@contextmanager
def without_weight_gradients() -> Iterator[None]:
    """Inside, a first derivative is taken with respect to features alone.

    PyTorch does not tell a function of ours which gradients somebody wants, only which could be
    had. Where the second derivative in the weights is wanted later, the first would be thrown away.
    """
    global _weights_wanted
    before, _weights_wanted = _weights_wanted, False
    try:
        yield
    finally:
        _weights_wanted = before


def convolve(features: Tensor, weight: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """Return what `conv2d` does: (n, i, h, w), (o, i, k, k) -> (n, o, H, W)."""
    return _convolve(features, weight, stride, padding)


def convolve_biased(
    features: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1, padding: int = 0
) -> Tensor:
    """Return what `conv2d` does, by `convolve` where second derivatives are announced."""
    if not _differentiated_twice:
        return F.conv2d(features, weight, bias, stride, padding)
    maps = convolve(features, weight, stride, padding)
    return maps if bias is None else maps + bias[:, None, None]


def convolve_transposed(features: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Return what `conv_transpose2d` does, without padding.

    (n, i, h, w), (i, o, k, k) -> (n, o, stride * (h - 1) + k, stride * (w - 1) + k)
    """
    kernel = weight.shape[2]
    height, width = (stride * (length - 1) + kernel for length in features.shape[2:])
    shape = (features.shape[0], weight.shape[1], height, width)
    return _input_gradient(features, weight, shape, (stride, 0))


def _backward(
    gradient: Tensor, features: Tensor, weight: Tensor, how: tuple[int, int], wanted: list[bool]
) -> tuple[Tensor, Tensor]:
    """Return the gradients in the input and in the weights, as far as they are wanted."""
    stride, padding = ([value, value] for value in how)
    slopes: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient,
        features,
        weight,
        None,
        stride,
        padding,
        [1, 1],
        False,
        [0, 0],
        1,
        [*wanted, False],
    )
    return slopes[0], slopes[1]


class _Convolve(torch.autograd.Function):
    """features * weight."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.how = (stride, padding)
        return F.conv2d(features, weight, stride=stride, padding=padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Grad, Grad, None, None]:
        features, weight = ctx.saved_tensors
        (gradient,), wanted = gradients, ctx.needs_input_grad
        wanted = (wanted[0], wanted[1] and _weights_wanted)
        if not torch.is_grad_enabled():
            slopes = _backward(gradient, features, weight, ctx.how, list(wanted))
            return (*slopes, None, None)
        in_features = in_weight = None
        if wanted[0]:
            in_features = _input_gradient(gradient, weight, features.shape, ctx.how)
        if wanted[1]:
            in_weight = _weight_gradient(gradient, features, weight.shape, ctx.how)
        return in_features, in_weight, None, None


class _InputGradient(torch.autograd.Function):
    """The gradient of a convolution in its input: bilinear in its gradient and its weights."""

    @staticmethod
    def forward(
        ctx: Any, gradient: Tensor, weight: Tensor, shape: torch.Size, how: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(gradient, weight)
        ctx.how = how
        like = gradient.new_empty(()).expand(shape)  # only its shape is read
        like = torch.empty_like(like, memory_format=torch.channels_last)
        return _backward(gradient, like, weight, ctx.how, [True, False])[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Grad, Grad, None, None]:
        gradient, weight = ctx.saved_tensors
        in_gradient = in_weight = None
        if ctx.needs_input_grad[0]:
            in_gradient = convolve(gradients[0], weight, *ctx.how)
        if ctx.needs_input_grad[1] and _weights_wanted:
            in_weight = _weight_gradient(gradient, gradients[0], weight.shape, ctx.how)
        return in_gradient, in_weight, None, None


class _WeightGradient(torch.autograd.Function):
    """The gradient of a convolution in its weights: bilinear in its gradient and its input."""

    @staticmethod
    def forward(
        ctx: Any, gradient: Tensor, features: Tensor, shape: torch.Size, how: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(gradient, features)
        ctx.how = how
        like = gradient.new_empty(shape)
        return _backward(gradient, features, like, ctx.how, [False, True])[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Grad, Grad, None, None]:
        gradient, features = ctx.saved_tensors
        in_gradient = in_features = None
        if ctx.needs_input_grad[0]:
            in_gradient = convolve(features, gradients[0], *ctx.how)
        if ctx.needs_input_grad[1]:
            in_features = _input_gradient(gradient, gradients[0], features.shape, ctx.how)
        return in_gradient, in_features, None, None


_convolve: Callable[..., Tensor] = _Convolve.apply
_input_gradient: Callable[..., Tensor] = _InputGradient.apply
_weight_gradient: Callable[..., Tensor] = _WeightGradient.apply
