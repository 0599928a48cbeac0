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
    """

    x: Tensor
    n_iter: int
    converged: Tensor
