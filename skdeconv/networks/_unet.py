"""Compact U-Net with a ConvTranspose decoder."""

from itertools import pairwise
from numbers import Integral

import torch
from torch import Tensor, nn

from skdeconv.networks._layers import (
    CONV,
    CONV_TRANSPOSE,
    crop,
    enlarge,
    fold_noise_map,
    he_,
    pad_to_multiple,
    pixel_shuffle,
    pixel_unshuffle,
)


class _ResidualBlock(nn.Module):
    def __init__(self, width, ndim, dropout):
        super().__init__()
        conv = CONV[ndim]
        self.first = he_(conv(width, width, 3, padding=1, bias=False))
        # A small second layer makes the block start close to the identity.
        self.second = he_(conv(width, width, 3, padding=1, bias=False), gain=0.1)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        residual = self.second(self.dropout(self.relu(self.first(x))))
        residual += x
        return residual


class UNet(nn.Module):
    """Encoder with strided convolutions, ConvTranspose decoder, skips by addition.

    ::

        x (B, C, *n) -> unshuffle by 2 (B, C * 2**ndim, *n/2)
          conv 3 ------------------------------ + -- conv 3 -> shuffle -> x - residual
            blocks, w0                          |    blocks, w0
            conv 2, stride 2            conv transpose 2, stride 2
              blocks, w1 ---------------------- + -- blocks, w1
              conv 2, stride 2          conv transpose 2, stride 2
                blocks, w2 --------------------/

    A block is ``x + conv 3 (ReLU (conv 3 (x)))`` without bias or normalisation. Images
    of any size are padded inside by repeating their last pixels. With `upscale` the
    last convolution answers ``(2 * upscale)**ndim`` pixels a feature, and the residual
    is taken from the interpolated input.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    out_channels : int
        Channels of the output; where the input has as many or more, the network
        answers its first channels less a residual.
    ndim : int, default=2
        Number of spatial axes.
    width : int or tuple of int, default=48
        Channels of the first of three levels, of which the others have 2 and 8/3 times
        as many; or those of every level.
    n_blocks : int or tuple of int, default=2
        Residual blocks per side of a level: of all levels, or of every one.
    upscale : int, default=1
        How many times longer the axes of the output are.
    noise_map : bool, default=False
        Whether ``forward`` takes noise levels, which go in as one more channel.
    dropout : float, default=0.0
        Share of the features of a block that training sets to 0, in [0, 1).

    Notes
    -----
    After U-Net [1]_ and DRUNet [2]_, with which it shares bias-free residual blocks,
    2x2 transposed convolutions and the noise map; unlike them it works on
    pixel-unshuffled input.

    References
    ----------
    .. [1] O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional networks for
       biomedical image segmentation", MICCAI 2015. :doi:`10.1007/978-3-319-24574-4_28`
    .. [2] K. Zhang et al., "Plug-and-play image restoration with deep denoiser prior",
       IEEE TPAMI 44(10), 2022. :doi:`10.1109/TPAMI.2021.3088914`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.networks import UNet
    >>> network = UNet(in_channels=1, out_channels=1)
    >>> network(torch.zeros(1, 1, 37, 50)).shape
    torch.Size([1, 1, 37, 50])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        ndim: int = 2,
        width: int | tuple[int, ...] = 48,
        n_blocks: int | tuple[int, ...] = 2,
        upscale: int = 1,
        noise_map: bool = False,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.ndim, self.upscale, self.noise_map = ndim, upscale, noise_map
        conv, conv_transpose = CONV[ndim], CONV_TRANSPOSE[ndim]
        if isinstance(width, Integral):
            width = (width, 2 * width, max(1, round(8 * width / 3)))
        widths = tuple(width)
        self.multiple = 2 ** len(widths)
        if isinstance(n_blocks, Integral):
            n_blocks = (n_blocks,) * len(widths)
        if len(n_blocks) != len(widths):
            raise ValueError(
                f"n_blocks must tell of as many levels as width, {len(widths)}, "
                f"got {tuple(n_blocks)}."
            )
        levels = list(zip(widths, n_blocks, strict=True))

        def blocks(w, n):
            return nn.Sequential(*(_ResidualBlock(w, ndim, dropout) for _ in range(n)))

        folded = 2**ndim
        entering = in_channels * folded + noise_map
        self.head = he_(conv(entering, widths[0], 3, padding=1, bias=False))
        self.encoders = nn.ModuleList(blocks(*level) for level in levels)
        self.decoders = nn.ModuleList(blocks(*level) for level in levels[:-1])
        pairs = list(pairwise(widths))
        self.downs = nn.ModuleList(
            he_(conv(a, b, 2, stride=2, bias=False)) for a, b in pairs
        )
        self.ups = nn.ModuleList(
            he_(conv_transpose(b, a, 2, stride=2, bias=False)) for a, b in pairs
        )
        leaving = out_channels * (2 * upscale) ** ndim
        tail = conv(widths[0], leaving, 3, padding=1, bias=False)
        # Small, so that the network starts close to returning its input.
        self.tail = he_(tail, gain=0.1)
        # Pixels around one that its answer may depend on, at most.
        depths = [4 * n for n in n_blocks[:-1]] + [2 * n_blocks[-1]]
        self.reach = 4 + sum(2**i * (n + 1) for i, n in enumerate(depths, 1))
        self.out_channels = out_channels
        self.residual = in_channels >= out_channels

    def forward(self, x: Tensor, noise_std: Tensor | None = None) -> Tensor:
        """Map images to images of the same size, or `upscale` times larger.

        Parameters
        ----------
        x : Tensor of shape (batch, in_channels, *spatial)
            Images of any size.
        noise_std : Tensor of shape (batch,) or (batch, 1, *spatial), default=None
            Noise levels of images or pixels, in the units of `x`; needed where there
            is a `noise_map`.

        Returns
        -------
        y : Tensor of shape (batch, out_channels, *fine)
            Images of `upscale` times the size of `x`.

        Raises
        ------
        ValueError
            If there is a `noise_map`, but no `noise_std`.
        """
        shape = tuple(self.upscale * n for n in x.shape[-self.ndim :])
        features = pad_to_multiple(x, self.multiple, self.ndim)
        features = pixel_unshuffle(features, 2, self.ndim)
        if self.noise_map:
            if noise_std is None:
                raise ValueError("noise_std must be given where there is a noise_map.")
            levels = fold_noise_map(noise_std, x, 2, self.multiple)
            features = torch.cat([features, levels], dim=1)
        features = self.head(features)
        skips = []
        for level, encoder in enumerate(self.encoders):
            if level:
                features = self.downs[level - 1](features)
            features = encoder(features)
            skips.append(features)
        for level in reversed(range(len(self.ups))):
            features = self.ups[level](features) + skips[level]
            features = self.decoders[level](features)
        out = pixel_shuffle(self.tail(features), 2 * self.upscale, self.ndim)
        out = crop(out, shape)
        if not self.residual:
            return out
        return enlarge(x[:, : self.out_channels], self.upscale) - out
