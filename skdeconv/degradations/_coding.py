"""What storing an image does to it: few levels, lossy compression."""

from io import BytesIO
from numbers import Integral

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from skdeconv._ranges import check_data_range
from skdeconv.degradations._noise import Noise


class Quantisation(Noise):
    """Clip to the range and round to equidistant levels.

    Parameters
    ----------
    levels : int, default=256
        Number of levels, at least 2: 256 for 8 bits. Black and white are among them.
    data_range : float, default=1.0
        White; black is 0.

    Raises
    ------
    ValueError
        If `levels` is not an integer from 2 up, or `data_range` is not positive and
        finite.

    See Also
    --------
    JPEGCompression : Loses more.

    Examples
    --------
    >>> import torch
    >>> from skdeconv.degradations import Quantisation
    >>> Quantisation(levels=3)(torch.tensor([[[-0.2, 0.2, 0.3, 0.9]]]))
    tensor([[[0.0000, 0.0000, 0.5000, 1.0000]]])
    """

    def __init__(self, levels: int = 256, data_range: float = 1.0):
        if not isinstance(levels, Integral) or levels < 2:
            raise ValueError(
                f"levels must be an integer of at least 2, got {levels!r}."
            )
        self.levels = int(levels)
        self.data_range = check_data_range(data_range)

    def __repr__(self):
        return f"Quantisation(levels={self.levels}, data_range={self.data_range:.4g})"

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        step = self.data_range / (self.levels - 1)
        return x.clamp(0, self.data_range).div_(step).round_().mul_(step)


class JPEGCompression(Noise):
    """Compress images as JPEG files and read them back.

    Parameters
    ----------
    quality : int or (int, int), default=75
        From 1, smallest, to 100, best; that of the Independent JPEG Group. Of a range,
        every image gets a quality of its own.
    data_range : float, default=1.0
        White; black is 0. Images are clipped to it and rounded to 256 levels.

    Raises
    ------
    ValueError
        If `quality` is not an integer from 1 to 100 or a range of such, or
        `data_range` is not positive and finite; when called, if images have not two
        axes, and one or three channels.

    See Also
    --------
    Quantisation : Only rounds.

    Notes
    -----
    Of three channels, taken as red, green and blue, the colour differences are stored
    at half the resolution below a quality of 90.

    References
    ----------
    .. [1] G. K. Wallace, "The JPEG still picture compression standard", IEEE
       Transactions on Consumer Electronics 38, 1992. :doi:`10.1109/30.125072`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.degradations import JPEGCompression
    >>> image = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> bool((JPEGCompression(quality=10)(image) - image).abs().max() > 0.1)
    True
    """

    def __init__(self, quality: int | tuple[int, int] = 75, data_range: float = 1.0):
        is_range = isinstance(quality, tuple | list)
        ends = tuple(quality) if is_range else (quality, quality)
        fits = len(ends) == 2 and all(isinstance(end, Integral) for end in ends)
        if not fits or not 1 <= ends[0] <= ends[1] <= 100:
            raise ValueError(
                "quality must be an integer from 1 to 100 or a range (low, high) of "
                f"such, got {quality!r}."
            )
        self.quality = tuple(map(int, ends)) if is_range else int(quality)
        self.data_range = check_data_range(data_range)

    def __repr__(self):
        quality, data_range = self.quality, self.data_range
        return f"JPEGCompression(quality={quality}, data_range={data_range:.4g})"

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        if x.ndim != 4 or x.shape[1] not in (1, 3):
            raise ValueError(
                "JPEGCompression needs images of two axes with one or three channels, "
                f"got {x.shape[1]} channel(s) and spatial axes {tuple(x.shape[2:])}."
            )
        bytes_ = Quantisation(256, 255.0)(x.detach() * (255 / self.data_range))
        bytes_ = bytes_.to(torch.uint8).movedim(1, -1).cpu().numpy()
        low, high = (
            self.quality if isinstance(self.quality, tuple) else [self.quality] * 2
        )
        qualities = torch.randint(
            low, high + 1, (len(x),), generator=generator
        ).tolist()
        decoded = np.stack(list(map(_round_trip, bytes_, qualities)))
        decoded = torch.from_numpy(decoded).to(x).movedim(-1, 1)
        return (decoded * (self.data_range / 255)).contiguous()


def _round_trip(image, quality):
    file = BytesIO()
    grey = image.shape[-1] == 1
    subsampling = 0 if quality >= 90 else 2
    Image.fromarray(image[..., 0] if grey else image).save(
        file, format="JPEG", quality=quality, subsampling=subsampling
    )
    decoded = np.asarray(Image.open(file))
    return decoded[..., None] if grey else decoded
