"""An optimiser whose steps weigh all directions of a layer alike."""

import torch
from torch import Tensor

from skdeconv.neural._net import has_bfloat16

# Coefficients of the quintic iteration that brings all singular values near 1.
QUINTIC = (3.4445, -4.7750, 2.0315)
# Root mean square of a step per unit of learning rate, about that of Adam.
STEP_RMS = 0.2
# Weight of the past squares, for parameters that Adam trains.
SQUARES = 0.99


class Muon(torch.optim.Optimizer):
    r"""Momentum whose matrices are made orthogonal before every step.

    The momentum of a layer, a matrix of output channels by what each of them sums, is
    replaced by the nearest matrix whose singular values are all 1: directions in which
    gradients are weak learn as fast as the strong ones. Parameters of fewer than two
    axes, such as offsets, are trained by Adam.

    Parameters
    ----------
    params : iterable of Tensor or dict
        What is to be optimised.
    lr : float, default=1e-3
        Learning rate; steps are about as long as those of Adam at the same rate.
    momentum : float, default=0.95
        Weight of the past gradients, in [0, 1).
    weight_decay : float, default=0.0
        Part of the parameters, per unit of learning rate, by which they shrink.
    n_steps : int, default=5
        Iterations of Newton and Schulz that make a matrix nearly orthogonal.

    Raises
    ------
    ValueError
        If a value is out of its range.

    Notes
    -----
    After [1]_, with Nesterov's momentum; kernels of convolutions are flattened behind
    their first axis. Steps are scaled as in [2]_, so that rates that suit Adam suit
    this one.

    References
    ----------
    .. [1] K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks",
       2024. https://kellerjordan.github.io/posts/muon/
    .. [2] J. Liu et al., "Muon is scalable for LLM training", 2025.
       https://arxiv.org/abs/2502.16982

    Examples
    --------
    >>> import torch
    >>> from skdeconv.neural import Muon
    >>> layer = torch.nn.Conv2d(4, 8, 3)
    >>> optimizer = Muon(layer.parameters(), lr=0.01)
    >>> layer(torch.ones(1, 4, 5, 5)).square().mean().backward()
    >>> _ = optimizer.step()
    """

    def __init__(
        self,
        params,
        lr: float = 1e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        n_steps: int = 5,
    ):
        if lr < 0 or weight_decay < 0:
            raise ValueError(
                "lr and weight_decay must not be negative, got "
                f"{lr} and {weight_decay}."
            )
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {momentum}.")
        if n_steps < 1:
            raise ValueError(f"n_steps must be 1 at least, got {n_steps}.")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "n_steps": n_steps,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        """Take a step.

        Parameters
        ----------
        closure : callable or None, default=None
            Computes the loss, and the gradients, anew.

        Returns
        -------
        loss : Tensor or None
            What `closure` gave.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    step = self._direction(parameter, group)
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(step, alpha=-group["lr"])
        return loss

    def _direction(self, parameter, group):
        gradient, state = parameter.grad, self.state[parameter]
        if not state:
            state["step"] = 0
            state["mean"] = torch.zeros_like(gradient)
            if parameter.ndim < 2:
                state["square"] = torch.zeros_like(gradient)
        state["step"] += 1
        momentum = group["momentum"]
        mean = state["mean"].lerp_(gradient, 1 - momentum)
        if parameter.ndim < 2:
            square = state["square"].lerp_(gradient.square(), 1 - SQUARES)
            mean = mean / (1 - momentum ** state["step"])
            square = square / (1 - SQUARES ** state["step"])
            return mean / (square.sqrt() + 1e-8)
        matrix = gradient.lerp(mean, momentum).flatten(1)
        flat = orthogonalise(matrix, group["n_steps"])
        scale = STEP_RMS * max(matrix.shape) ** 0.5
        return scale * flat.reshape(parameter.shape)


def orthogonalise(matrix: Tensor, n_steps: int = 5) -> Tensor:
    """Bring all singular values of a matrix near 1, where they are not tiny.

    Parameters
    ----------
    matrix : Tensor of shape (n, m)
        A matrix.
    n_steps : int, default=5
        Iterations; five bring what is above a thousandth of the norm near 1.

    Returns
    -------
    matrix : Tensor of shape (n, m)
        With singular values between about 0.7 and 1.2.
    """
    a, b, c = QUINTIC
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    # Coarse arithmetic does: the next step mends what this one gets wrong.
    x = (wide / (wide.norm() + 1e-12)).to(_coarse(matrix))
    for _ in range(n_steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    x = x.to(matrix)
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


def _coarse(matrix):
    """The dtype in which products of matrices are fast here."""
    return torch.bfloat16 if has_bfloat16(str(matrix.device)) else torch.float32
