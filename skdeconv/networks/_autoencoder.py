"""Convolution, pooling, full connection and deconvolution in one network."""

from torch import Tensor, nn

from skdeconv.networks._layers import (
    CONV,
    CONV_TRANSPOSE,
    MAX_POOL,
    GridMean,
    crop,
    he_,
    pad_to_multiple,
)

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Autoencoder(nn.Module):
    """Convolution and pooling down, full connections, deconvolution back up.

    ::

        x (B, C, *n)
          conv 3, ReLU, max pool 2           (B, w, *n/2)
          conv 3, ReLU, max pool 2           (B, 2w, *n/4) --------------+
            mean pool to a grid              (B, 2w, *grid)              |
            linear, ReLU                     (B, code)                   |
            linear                           (B, 2w, *grid)              |
            interpolation                    (B, 2w, *n/4) ------------- +
          conv transpose 4, stride 2, ReLU   (B, w, *n/2)
          conv transpose 4, stride 2         (B, C', *n)

    The layers that textbooks teach, each doing its own part: convolutions see features,
    pooling makes them coarse and stable, the fully connected layers look at the whole
    image at once, and deconvolutions bring the features back to full resolution. Images
    of any size are padded inside to a multiple of 4 by repeating their last pixels.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    out_channels : int
        Channels of the output.
    ndim : {1, 2, 3}, default=2
        Number of spatial axes.
    width : int, default=32
        Channels of the first convolution; the second has twice as many.
    code : int, default=128
        Units of the fully connected bottleneck.
    grid : int, default=4
        Length, along every axis, of the grid that the bottleneck sees; the same for
        images of any size.

    Notes
    -----
    After the autoencoder [1]_ of convolutional layers [2]_. An autoencoder proper
    passes everything through its bottleneck, and its images all have one size. Here the
    bottleneck only adds what depends on the whole image to the local features at a
    quarter of the resolution, so that details depend neither on the grid nor on the
    size of the image. Kernels of 4 overlap evenly at stride 2: no checkerboards.

    References
    ----------
    .. [1] G. E. Hinton, R. R. Salakhutdinov, "Reducing the dimensionality of data with
       neural networks", Science 313, 2006. :doi:`10.1126/science.1127647`
    .. [2] J. Masci, U. Meier, D. Cireşan, J. Schmidhuber, "Stacked convolutional
       auto-encoders for hierarchical feature extraction", ICANN 2011.
       :doi:`10.1007/978-3-642-21735-7_7`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.networks import Autoencoder
    >>> network = Autoencoder(in_channels=3, out_channels=3)
    >>> network(torch.zeros(1, 3, 37, 50)).shape
    torch.Size([1, 3, 37, 50])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        ndim: int = 2,
        width: int = 32,
        code: int = 128,
        grid: int = 4,
    ):
        super().__init__()
        self.ndim = ndim
        conv, deconv, pool = CONV[ndim], CONV_TRANSPOSE[ndim], MAX_POOL[ndim]
        self.encoder = nn.Sequential(
            he_(conv(in_channels, width, 3, padding=1)),
            nn.ReLU(inplace=True),
            pool(2),
            he_(conv(width, 2 * width, 3, padding=1)),
            nn.ReLU(inplace=True),
            pool(2),
        )
        shape = (2 * width, *[grid] * ndim)
        size = 2 * width * grid**ndim
        self.bottleneck = nn.Sequential(
            GridMean(grid, ndim),
            nn.Flatten(),
            he_(nn.Linear(size, code)),
            nn.ReLU(inplace=True),
            # Small, so that local features come first.
            he_(nn.Linear(code, size), gain=0.1),
            nn.Unflatten(1, shape),
        )
        self.decoder = nn.Sequential(
            deconv(2 * width, width, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            deconv(width, out_channels, 4, stride=2, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map images to images of the same size.

        Parameters
        ----------
        x : Tensor of shape (batch, in_channels, *spatial)
            Images of any size.

        Returns
        -------
        y : Tensor of shape (batch, out_channels, *spatial)
            Images of the size of `x`.
        """
        shape = tuple(x.shape[-self.ndim :])
        features = self.encoder(pad_to_multiple(x, 4, self.ndim))
        whole = nn.functional.interpolate(
            self.bottleneck(features),
            features.shape[-self.ndim :],
            mode=_LINEAR[self.ndim],
        )
        return crop(self.decoder(features + whole), shape)
