"""Non-local means."""

import torch
from torch import Tensor

from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._windows import average_alike

# Share of the noise that the guide of the second pass keeps.
KEPT = 0.5


def nonlocal_means(
    y: Tensor,
    noise_std: float | Tensor,
    *,
    patch_size: int = 5,
    search_radius: int = 6,
    strength: float = 0.75,
    refine: bool = True,
) -> SolverResult:
    r"""Average pixels whose surroundings look alike.

    .. math:: x_p \propto \sum_q \exp\Bigl(
        -\frac{(d^2_{pq} - 2 \sigma^2)_+}{k^2 \sigma^2} \Bigr) y_q

    with the mean squared difference :math:`d^2` of the patches around two pixels [1]_,
    of which noise explains :math:`2 \sigma^2`. A second pass compares smaller patches
    of a guide: half of the first answer and half of the noisy image.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Noisy images. All channels together tell what is alike.
    noise_std : float or Tensor of shape (batch,)
        Standard deviation of the white noise; zero leaves an image as it is.
    patch_size : int, default=5
        Length of the patches along every axis, odd.
    search_radius : int, default=6
        Largest displacement of what is compared, along every axis. Only pixels inside
        the frame are averaged; patches are mirrored beyond it.
    strength : float, default=0.75
        The factor `k`, positive; larger is smoother.
    refine : bool, default=True
        Whether to take the second pass.

    Returns
    -------
    result : SolverResult
        Denoised images, of the shape of `y`.

    Notes
    -----
    Takes one pass over the image per pair of opposite displacements: the weight of two
    pixels serves both. Patches are summed axis by axis from sums of two, four, ...
    pixels.

    References
    ----------
    .. [1] A. Buades, B. Coll and J. M. Morel, "A review of image denoising algorithms,
       with a new one", Multiscale Modeling & Simulation 4, 2005.
       :doi:`10.1137/040616024`
    """
    if patch_size % 2 == 0:
        raise ValueError(f"patch_size must be odd, got {patch_size}.")
    ndim = y.ndim - 2
    noise_std = torch.as_tensor(noise_std, dtype=y.dtype, device=y.device)
    variance = noise_std.square().expand(len(y))[(..., *(None,) * (ndim + 1))]
    slope = -1 / (strength**2 * variance).clamp_min(torch.finfo(y.dtype).tiny)

    def average(guide, patch_size, explained):
        def affinity(distance, _):
            return distance.sub_(explained).clamp_(min=0).mul_(slope).exp_()

        radii = (search_radius,) * ndim
        total, weight = average_alike(y, radii, patch_size, affinity, guide)
        return total.add_(y).div_(weight.add_(1))

    x = average(y, patch_size, 2.2 * variance)
    if refine:
        guide = torch.lerp(x, y, KEPT)
        x = average(guide, max(1, patch_size - 2), 2 * KEPT**2 * variance)
    x = torch.where(variance > 0, x, y)
    done = torch.ones(y.shape[:2], dtype=torch.bool, device=y.device)
    return SolverResult(x, 0, done)
