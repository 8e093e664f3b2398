"""Gradients integrated along a path."""

from collections.abc import Callable

import torch
from torch import Tensor

from ssiu_arch.tools.lam.path import Path

Objective = Callable[[Tensor], Tensor]  # (B, C, h, w) to (B,), every image for itself


def integrated_gradients(
    objective: Objective,
    path: Path,
    *,
    steps: int,
    at_a_time: int = 1,
    before_each: Callable[[], object] = lambda: None,
) -> Tensor:
    """What each value of an image contributes to an objective, along a path that ends at the image.

    With D the objective and gamma the path, the contribution of value i is the integral over alpha from 0 to 1 of
    ``dD(gamma)/dgamma_i * dgamma_i/dalpha``, here by the midpoint rule in ``n`` steps::

        sum_k  dD/dgamma_i (gamma((k - 1/2)/n))  *  (gamma_i(k/n) - gamma_i((k - 1)/n)),    k = 1 .. n

    The contributions add up to ``D(gamma(1)) - D(gamma(0))``, but for the error of the rule.

    Args:
        objective: D.
        path: gamma; its type decides that of the sum.
        steps: n.
        at_a_time: steps that go through the objective as one batch.
        before_each: called before each batch.

    Returns:
        ``(C, h, w)``.

    Raises:
        ValueError: the objective has no gradient.
    """
    start = path(0.0)
    total = torch.zeros_like(start)
    for first in range(0, steps, at_a_time):
        before_each()
        numbers = range(first, min(first + at_a_time, steps))
        points = torch.stack([path((k + 0.5) / steps) for k in numbers]).requires_grad_()
        value = objective(points).sum()
        if not value.requires_grad:
            raise ValueError("the objective has no gradient")
        (gradients,) = torch.autograd.grad(value, points)
        for k, gradient in zip(numbers, gradients, strict=True):
            end = path((k + 1) / steps)
            total += gradient * (end - start)
            start = end
    return total
