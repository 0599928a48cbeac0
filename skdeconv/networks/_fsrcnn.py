"""Super-resolution that computes on coarse pixels and ends in a deconvolution."""

from numbers import Integral

from torch import Tensor, nn

from skdeconv.networks._deconvolution_layer import conv_transpose_same
from skdeconv.networks._layers import CONV, enlarge, he_


class FSRCNN(nn.Module):
    """Super-resolution on the coarse pixels; the last layer, a deconvolution, refines.

    ::

        x (B, C, *n) -------------------- cubic interpolation ------- + -> (B, C', *k n)
          conv 5                         (B, d, *n)                   |
          conv 1                         (B, s, *n)                   |
          conv 3, m times                (B, s, *n)                   |
          conv 1                         (B, d, *n)                   |
          conv transpose 9, stride k     (B, C', *k n) ---------------/

    with the factor k = `upscale` and a PReLU after every layer but the last.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    out_channels : int
        Channels of the output.
    ndim : {1, 2, 3}, default=2
        Number of spatial axes.
    upscale : int, default=2
        How many times more pixels the output has along each axis.
    d : int, default=56
        Channels of the features.
    s : int, default=12
        Channels of the layers between, that map coarse features to fine ones.
    m : int, default=4
        Number of the layers between.
    residual : bool, default=True
        Whether what is predicted is added to the first channels of the input,
        interpolated, where that has as many as the output or more.

    Raises
    ------
    ValueError
        If `upscale` is not a positive int.

    Notes
    -----
    The network of the paper [1]_, with its names. The paper lets the deconvolution make
    the whole image (``residual=False``); adding it to the interpolation, as VDSR does
    [2]_, starts where interpolation ends. Coarse pixels are taken to be blocks of fine
    ones, as :class:`~skdeconv.operators.Downsample` makes them.

    References
    ----------
    .. [1] C. Dong, C. C. Loy, X. Tang, "Accelerating the super-resolution convolutional
       neural network", ECCV 2016. :doi:`10.1007/978-3-319-46475-6_25`
    .. [2] J. Kim, J. K. Lee, K. M. Lee, "Accurate image super-resolution using very
       deep convolutional networks", CVPR 2016. :doi:`10.1109/CVPR.2016.182`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.networks import FSRCNN
    >>> network = FSRCNN(in_channels=1, out_channels=1, upscale=3)
    >>> network(torch.zeros(1, 1, 37, 50)).shape
    torch.Size([1, 1, 111, 150])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        ndim: int = 2,
        upscale: int = 2,
        d: int = 56,
        s: int = 12,
        m: int = 4,
        residual: bool = True,
    ):
        super().__init__()
        if not isinstance(upscale, Integral) or upscale < 1:
            raise ValueError(f"upscale must be a positive int, got {upscale!r}.")
        self.ndim, self.upscale = ndim, int(upscale)
        layers = []
        for a, b, kernel in [
            (in_channels, d, 5),
            (d, s, 1),
            *[(s, s, 3)] * m,
            (s, d, 1),
        ]:
            layers.append(he_(CONV[ndim](a, b, kernel, padding=kernel // 2)))
            layers.append(nn.PReLU(b))
        last = conv_transpose_same(d, out_channels, 9, self.upscale, ndim=ndim)
        nn.init.normal_(last.weight, std=1e-3)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers, last)
        self.out_channels = out_channels
        self.residual = residual and in_channels >= out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map images to images of `upscale` times as many pixels per axis.

        Parameters
        ----------
        x : Tensor of shape (batch, in_channels, *spatial)
            Images of any size.

        Returns
        -------
        y : Tensor of shape (batch, out_channels, *fine)
            Images `upscale` times as long along each axis.
        """
        out = self.layers(x)
        if self.residual:
            out = out + enlarge(x[:, : self.out_channels], self.upscale)
        return out
