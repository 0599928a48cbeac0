"""Least squares under any linear operator, by iterations that may stop early."""

from collections.abc import Callable

import torch
from torch import Tensor

from skdeconv.operators import Blur, Gradient, LinearOperator
from skdeconv.operators._fourier import spatial_axes
from skdeconv.solvers._conjugate_gradient import conjugate_gradient, dot
from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._total_variation_inversion import spread

METHODS = ("cg", "landweber", "fista")


def least_squares(
    y: Tensor,
    operator: LinearOperator,
    *,
    alpha: float | Tensor = 0.0,
    regularizer: str = "laplacian",
    method: str = "cg",
    nonnegative: bool = False,
    weight: Tensor | None = None,
    tol: float = 1e-4,
    max_iter: int = 100,
    look: Callable[[Tensor], Tensor] | None = None,
) -> SolverResult:
    r"""Minimise a weighted squared misfit and a quadratic penalty.

    .. math:: \min_x \; \|\sqrt w \, (A x - y)\|^2 + \alpha \|L x\|^2
        \qquad (x \ge 0)

    The objective never rises. From a smooth start, early iterations restore coarse
    structures and later ones fine structures and noise, so that few iterations
    regularise too.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Data.
    operator : LinearOperator
        What made them.
    alpha : float or Tensor broadcastable to (batch, channels), default=0.0
        Weight of the penalty, not negative.
    regularizer : {"laplacian", "identity"}, default="laplacian"
        Whether L takes the differences between a pixel and its neighbours, beyond the
        frame too under a periodic blur, or the distance from the mean of the start.
    method : {"cg", "landweber", "fista"}, default="cg"
        Conjugate gradients, gradient steps, or gradient steps with momentum that never
        let the objective rise.
    nonnegative : bool, default=False
        Whether to project every step on what is not negative; not for ``"cg"``.
    weight : Tensor of the shape of y, or None, default=None
        Weights of the data, not negative.
    tol : float, default=1e-4
        An image stops when an iteration lowers its objective by no more than this
        fraction; 0 runs all iterations as long as the objective falls.
    max_iter : int, default=100
        Most iterations.
    look : callable or None, default=None
        Called with the images after each iteration; tells which of them, as a bool
        Tensor of shape (batch,), are to go on.

    Returns
    -------
    result : SolverResult
        Images in the operator's domain.

    References
    ----------
    .. [1] L. Landweber, "An iteration formula for Fredholm integral equations of the
       first kind", American Journal of Mathematics 73(3), 1951. :doi:`10.2307/2372313`
    .. [2] A. Beck and M. Teboulle, "Fast gradient-based algorithms for constrained
       total variation image denoising and deblurring problems", IEEE Transactions on
       Image Processing 18(11), 2009. :doi:`10.1109/TIP.2009.2028250`
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}.")
    if regularizer not in ("laplacian", "identity"):
        raise ValueError(
            f"regularizer must be 'laplacian' or 'identity', got {regularizer!r}."
        )
    if nonnegative and method == "cg":
        raise ValueError(
            "nonnegative needs method 'landweber' or 'fista': conjugate gradients "
            "cannot be projected."
        )
    ndim = operator.ndim
    alpha = torch.as_tensor(alpha, dtype=y.dtype, device=y.device).expand(y.shape[:2])
    alpha = alpha[(..., *(None,) * ndim)]
    weight = torch.ones_like(y) if weight is None else weight.to(y).expand_as(y)
    y = torch.where(weight > 0, y, 0)
    start = spread(y, operator, weight)
    level = start.mean(spatial_axes(ndim), keepdim=True)
    differences = Gradient(ndim)
    wraps = isinstance(operator, Blur) and operator.boundary == "periodic"

    # In terms of what is added to the start's mean, so that constants cost nothing.
    y = y - operator(level.expand_as(start))
    x = start - level
    shape = tuple(x.shape[2:])

    def laplacian(x):
        if not wraps:
            return differences.adjoint(differences(x))
        neighbours = [x.roll(s, axis) for axis in spatial_axes(ndim) for s in (1, -1)]
        return 2 * ndim * x - sum(neighbours)

    def penalised(x):
        return laplacian(laplacian(x)) if regularizer == "laplacian" else x

    def normal(x):
        return operator.adjoint(weight * operator(x)) + alpha * penalised(x)

    b = operator.adjoint(weight * y)
    power = dot(weight * y, y)
    rough = 1.0
    if regularizer == "laplacian":
        rough = (4 * ndim if wraps else differences.norm(shape) ** 2) ** 2
    size = weight.amax((1, *spatial_axes(ndim)), keepdim=True)
    bound = size * operator.norm(shape) ** 2 + alpha * rough
    watch = None if look is None else lambda x: look(x + level)
    eps = torch.finfo(y.dtype).eps  # conjugate gradients fall apart in rounding errors
    if method == "cg":
        residual = b - normal(x)
        x, n_iter, converged = conjugate_gradient(
            normal,
            lambda r: r,
            x,
            residual,
            power * (1 + eps) - dot(x, b + residual),
            tol=max(tol, eps),
            max_iter=max_iter,
            look=watch,
        )
    else:
        x, n_iter, converged = _descend(
            normal,
            b,
            power,
            x,
            step=1 / bound,
            lowest=-level if nonnegative else None,
            momentum=method == "fista",
            tol=tol,
            max_iter=max_iter,
            look=watch,
        )
    return SolverResult(x + level, n_iter, converged)


def _descend(normal, b, power, x, *, step, lowest, momentum, tol, max_iter, look=None):
    """Gradient steps on ``<x, N x> - 2 <b, x> + power``, not below `lowest`.

    A step with momentum that would let the objective rise is refused, and momentum
    begins anew; without momentum a refused step is the end.
    """
    if lowest is not None:
        x = torch.maximum(x, lowest)
    image = normal(x)
    objective = power + dot(x, image - 2 * b)
    ahead, ahead_image = x, image
    active = objective > 0
    t = torch.ones_like(objective)
    n_iter = 0
    while n_iter < max_iter and active.any():
        n_iter += 1
        trial = ahead + step * (b - ahead_image)
        if lowest is not None:
            trial = torch.maximum(trial, lowest)
        trial_image = normal(trial)
        # The difference of two objectives, without cancellation.
        gain = dot(x - trial, trial_image + image - 2 * b)
        better = active & (gain > 0)
        before, before_image = x, image
        x = torch.where(better, trial, x)
        image = torch.where(better, trial_image, image)
        small = gain <= tol * objective
        active = active & torch.where(better, ~small, t > 1)
        if look is not None:
            active = active & look(x).view(-1, *(1,) * (x.ndim - 1))
        objective = torch.where(better, objective - gain, objective)
        ahead, ahead_image = x, image
        if momentum:
            following = (1 + (1 + 4 * t * t).sqrt()) / 2
            push = torch.where(better, (t - 1) / following, 0)
            t = torch.where(better, following, 1)
            ahead = torch.lerp(before, x, 1 + push)
            ahead_image = torch.lerp(before_image, image, 1 + push)
            ahead = torch.where(better, ahead, x)
            ahead_image = torch.where(better, ahead_image, image)
    return x, n_iter, ~active.reshape(active.shape[:2])
