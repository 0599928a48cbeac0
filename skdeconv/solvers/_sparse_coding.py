"""Denoising with few atoms of a dictionary per patch."""

from math import ceil, prod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from skdeconv.solvers._patches import add_patches, extract_patches, sample_patches
from skdeconv.solvers._result import SolverResult

# Signals that are pursued together; the widest array then stays below 40 MB.
CHUNK = 2048

# Residual that a code may leave, in norms of the expected noise.
GAIN = 1.15

# Most atoms of a patch, half of what spans one of 8 x 8 pixels.
MAX_ATOMS = 32

# Patches that a dictionary is learned from, and coefficients: where each patch takes
# many, fewer patches tell as much. The length of codes is seen on some of them.
N_PATCHES, N_COEFFICIENTS, N_TRIALS = 40_000, 200_000, 500


def cosines(n_samples: int, n_frequencies: int) -> Tensor:
    """Cosine waves of unit norm in the rows, all but the first of mean zero."""
    frequency = torch.arange(n_frequencies, dtype=torch.float64)[:, None]
    waves = torch.cos(
        torch.pi / n_frequencies * frequency * (torch.arange(n_samples) + 0.5)
    )
    waves[1:] -= waves[1:].mean(1, keepdim=True)
    return F.normalize(waves, dim=1)


def overcomplete_dct(patch_size: tuple[int, ...], n_components: int) -> Tensor:
    """Dictionary of products of cosine waves, finer in frequency than the DCT.

    Parameters
    ----------
    patch_size : tuple of int
        Size of a patch per axis.
    n_components : int
        Number of atoms, rounded up to a product of equal counts per axis and to no
        less than what spans all patches.

    Returns
    -------
    dictionary : Tensor of float64 of shape (n_components, prod(patch_size))
        Atoms of unit norm, the first constant.
    """
    per_axis = ceil(n_components ** (1 / len(patch_size)) - 1e-9)
    dictionary = torch.ones(1, 1, dtype=torch.float64)
    for size in patch_size:
        waves = cosines(size, max(per_axis, size)) if size > 1 else torch.ones(1, 1)
        dictionary = torch.kron(dictionary, waves.to(dictionary))
    return dictionary


def orthogonal_matching_pursuit(
    signals: Tensor, dictionary: Tensor, tol: Tensor, max_atoms: int | None = None
) -> Tensor:
    r"""Code signals with the fewest atoms that a greedy choice finds.

    .. math:: \min \|c_i\|_0 \quad \text{such that} \quad
              \|s_i - D^T c_i\|^2 \le tol_i

    The atom that correlates best with the residual joins, the coefficients of all
    chosen atoms are fitted anew, and signals that meet their tolerance leave the batch.

    Parameters
    ----------
    signals : Tensor of shape (n_signals, n_features)
        What to code.
    dictionary : Tensor of shape (n_components, n_features)
        Atoms of unit norm.
    tol : Tensor of shape (n_signals,)
        Squared norm of the residual at which a signal is done.
    max_atoms : int, default=None
        Most atoms per signal; None allows `n_features`.

    Returns
    -------
    codes : Tensor of shape (n_signals, n_components)
        Coefficients, mostly zero.

    References
    ----------
    .. [1] Y. C. Pati, R. Rezaiifar and P. S. Krishnaprasad, "Orthogonal matching
       pursuit", Asilomar Conference, 1993. :doi:`10.1109/ACSSC.1993.342465`
    """
    codes = signals.new_zeros(len(signals), len(dictionary))
    limit = min(dictionary.shape)
    limit = limit if max_atoms is None else min(limit, max_atoms)
    for chunk in zip(
        signals.split(CHUNK), tol.split(CHUNK), codes.split(CHUNK), strict=True
    ):
        _pursue(*chunk, dictionary, limit)
    return codes


def _pursue(signals, tol, codes, dictionary, limit):
    """Write the codes of one chunk, by Gram-Schmidt on the chosen atoms."""
    n = len(signals)
    # What no atom reaches by more than rounding error is beyond the dictionary.
    least = (16 * torch.finfo(signals.dtype).eps) ** 2 * signals.square().sum(1)
    rows = torch.arange(n, device=signals.device)
    residual = signals
    basis = signals.new_zeros(n, 0, signals.shape[1])  # orthonormal; atoms = R^T basis
    triangle = signals.new_zeros(n, 0, 0)  # R
    loads = signals.new_zeros(n, 0)  # <signal, basis>
    support = rows.new_zeros(n, 0)
    for n_chosen in range(limit + 1):
        correlation, choice = (residual @ dictionary.T).abs_().max(1, keepdim=True)
        open_ = (residual.square().sum(1) > tol) & (n_chosen < limit)
        open_ &= correlation[:, 0].square() > least
        if n_chosen:
            done = ~open_
            solution = torch.linalg.solve_triangular(
                triangle[done], loads[done, :, None], upper=True
            )
            codes[rows[done, None], support[done]] = solution[..., 0]
        if not open_.any():
            return
        rows, residual, basis, triangle, loads, support, choice, tol, least = (
            kept[open_]
            for kept in (
                *(rows, residual, basis, triangle, loads, support),
                *(choice, tol, least),
            )
        )
        atom = dictionary[choice]  # (n, 1, n_features)
        overlap = atom @ basis.mT
        fresh = atom - overlap @ basis
        norm = torch.linalg.vector_norm(fresh, dim=-1, keepdim=True)
        fresh = fresh / norm
        load = (fresh @ residual[..., None])[..., 0]
        residual = residual - load * fresh[:, 0]
        basis = torch.cat([basis, fresh], 1)
        triangle = F.pad(triangle, (0, 1, 0, 1))
        triangle[:, :, -1:] = torch.cat([overlap, norm], 2).mT
        loads = torch.cat([loads, load], 1)
        support = torch.cat([support, choice], 1)


def refine_dictionary(
    dictionary: Tensor, signals: Tensor, tol: Tensor, *, n_iter: int = 10
) -> Tensor:
    """Fit a dictionary to signals by the method of optimal directions.

    In turn, all signals are coded, and all atoms are fitted to the codes by least
    squares [1]_. Atoms that hardly any signal uses stay as they are.

    Parameters
    ----------
    dictionary : Tensor of shape (n_components, n_features)
        Where to start; atoms of unit norm.
    signals : Tensor of shape (n_signals, n_features)
        Signals to code, such as patches less their means.
    tol : Tensor of shape (n_signals,)
        Squared norm of the residual that counts as noise.
    n_iter : int, default=10
        Rounds of coding and fitting.

    Returns
    -------
    dictionary : Tensor of shape (n_components, n_features)
        Atoms of unit norm.

    References
    ----------
    .. [1] K. Engan, S. O. Aase and J. H. Husoy, "Method of optimal directions for frame
       design", ICASSP, 1999. :doi:`10.1109/ICASSP.1999.760624`
    """
    for _ in range(n_iter):
        codes = orthogonal_matching_pursuit(signals, dictionary, tol, MAX_ATOMS)
        gram, target = codes.T @ codes, codes.T @ signals
        used = (codes != 0).sum(0) > 5
        # Keeps rarely used atoms out, and the system solvable.
        ridge = 1e-6 * gram.diagonal().mean() + ~used * gram.diagonal().amax()
        if not used.any():
            break
        fitted = torch.linalg.solve(gram + ridge.diag(), target)
        norm = torch.linalg.vector_norm(fitted, dim=1, keepdim=True)
        fresh = used[:, None] & (norm > 0)
        dictionary = torch.where(fresh, fitted / norm.where(fresh, 1.0), dictionary)
    return dictionary


def learn_dictionary(
    images: list[Tensor],
    noise_std: Tensor,
    random: np.random.Generator,
    *,
    patch_size: tuple[int, ...],
    n_components: int,
) -> Tensor:
    """Learn a dictionary on patches of images, starting from cosine waves.

    Parameters
    ----------
    images : list of Tensor of shape (channels, *spatial)
        Images of any size.
    noise_std : Tensor of shape (n_images,)
        Noise that the atoms will be used against, which is not that of clean images.
    random : numpy.random.Generator
        Draws the patches.
    patch_size : tuple of int
        Length of the patches along every axis.
    n_components : int
        Number of atoms.

    Returns
    -------
    dictionary : Tensor of shape (n_components, n_features)
        Atoms of unit norm.
    """
    share = -(-N_PATCHES // len(images))
    signals, tol = [], []
    for image, std in zip(images, noise_std, strict=True):
        rotation = cosines(len(image), len(image)).to(image)
        planes = torch.einsum("kc,c...->k...", rotation, image)
        patches = sample_patches(planes, patch_size, share, random)
        signals.append(patches - patches.mean(1, keepdim=True))
        tol.append((GAIN * std).square().expand(len(patches)) * prod(patch_size))
    signals, tol = torch.cat(signals), torch.cat(tol)
    start = overcomplete_dct(patch_size, n_components).to(signals)
    tried = _spread(len(signals), N_TRIALS)
    trial = orthogonal_matching_pursuit(signals[tried], start, tol[tried], MAX_ATOMS)
    per_patch = (trial != 0).sum().item() / len(trial)
    few = _spread(len(signals), int(N_COEFFICIENTS / max(per_patch, 1)))
    return refine_dictionary(start, signals[few], tol[few])


def _spread(n, most):
    """All indices below n, or as many as shall be, evenly apart."""
    most = min(n, most)
    return torch.arange(most) * n // most


def sparse_denoise(
    y: Tensor,
    noise_std: Tensor,
    dictionary: Tensor,
    *,
    patch_size: tuple[int, ...],
    gain: float = GAIN,
    max_atoms: int = MAX_ATOMS,
    blend: float = 0.02,
) -> SolverResult:
    r"""Remove white Gaussian noise by sparse coding of all overlapping patches.

    Each patch, less its mean, is coded to within the noise,
    :math:`\|r\| \le gain \, \sigma \sqrt d`; the coded patches are averaged where they
    overlap [1]_. A patch that `max_atoms` atoms cannot explain stays as it is.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Noisy images. Channels are coded one by one, after an orthonormal cosine
        transform across them: for RGB, luminance and two colour differences.
    noise_std : Tensor of shape (batch,)
        Standard deviation of the noise, in the units of `y`.
    dictionary : Tensor of shape (n_components, prod(patch_size))
        Atoms of unit norm.
    patch_size : tuple of int
        Size of a patch per spatial axis, no larger than the images.
    gain : float, default=1.15
        Tolerated residual, in norms of the expected noise.
    max_atoms : int, default=32
        Most atoms per patch.
    blend : float, default=0.02
        Weight of the noisy image against the coded patches' mean; a little brings back
        texture.

    Returns
    -------
    result : SolverResult
        Always converged: each patch is coded once.

    References
    ----------
    .. [1] M. Elad and M. Aharon, "Image denoising via sparse and redundant
       representations over learned dictionaries", IEEE Transactions on Image
       Processing 15, 2006. :doi:`10.1109/TIP.2006.881969`
    """
    shape = tuple(y.shape[2:])
    rotation = cosines(y.shape[1], y.shape[1]).to(y)  # keeps white noise white
    planes = torch.einsum("kc,bc...->bk...", rotation, y).flatten(0, 1)[:, None]
    tol = (gain * noise_std).square() * prod(patch_size)
    tol = tol.repeat_interleave(y.shape[1])
    total, cover = torch.zeros_like(planes), torch.zeros_like(planes)
    for rows in _slabs(planes, patch_size):
        noisy = extract_patches(planes[:, :, rows], patch_size, len(shape))
        signals = noisy.flatten(0, 1)
        mean = signals.mean(1, keepdim=True)
        signals = signals - mean
        goal = tol.repeat_interleave(noisy.shape[1])
        codes = orthogonal_matching_pursuit(signals, dictionary, goal, max_atoms)
        coded = codes @ dictionary
        met = (signals - coded).square().sum(1) <= 1.001 * goal
        coded = torch.where(met[:, None], coded, signals) + mean
        slab = (rows.stop - rows.start, *shape[1:])
        total[:, :, rows] += add_patches(coded.view_as(noisy), slab, patch_size)
        cover[:, :, rows] += add_patches(torch.ones_like(noisy), slab, patch_size)
    x = torch.einsum("kc,bk...->bc...", rotation, (total / cover).view_as(y))
    converged = torch.ones(y.shape[:2], dtype=torch.bool, device=y.device)
    return SolverResult((x + blend * y) / (1 + blend), 1, converged)


def _slabs(x, patch_size):
    """Row ranges whose patches take some 16 MB in float32, overlapping as needed."""
    positions = x.shape[2] - patch_size[0] + 1
    per_row = x.numel() // x.shape[2] * prod(patch_size)
    step = max(1, 2**22 // per_row)
    for start in range(0, positions, step):
        yield slice(start, min(start + step, positions) + patch_size[0] - 1)
