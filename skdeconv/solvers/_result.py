"""What every solver answers."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class SolverResult:
    """Answer of a solver.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Restored images.
    n_iter : int
        Iterations run, those of the slowest image.
    converged : Tensor of bool of shape (batch, channels)
        Which images met the tolerance; all of them where there was nothing to iterate.
    state : tuple of Tensor of shape (batch, ...)
        Where a solver that takes a `start` goes on from; empty for others.
    """

    x: Tensor
    n_iter: int
    converged: Tensor
    state: tuple[Tensor, ...] = ()
