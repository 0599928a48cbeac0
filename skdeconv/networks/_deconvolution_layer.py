"""The transposed convolution: its size, and TensorFlow's way to pad it."""

from numbers import Integral

from torch import Tensor, nn

from skdeconv.networks._layers import CONV_TRANSPOSE, crop


def conv_transpose_size(
    n: int,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    dilation: int = 1,
) -> int:
    r"""Length of what a transposed convolution of torch makes of `n` pixels.

    .. math:: (n - 1) s - 2 p + d (k - 1) + o + 1

    with kernel size k, stride s, padding p, output padding o and dilation d; every axis
    by itself.

    Parameters
    ----------
    n : int
        Length of the input along an axis, in pixels.
    kernel_size : int
        Length of the kernel.
    stride : int, default=1
        Pixels of the output from one pixel of the input to the next.
    padding : int, default=0
        Pixels cut off at both ends of the output.
    output_padding : int, default=0
        Pixels of the output kept beyond that at its end.
    dilation : int, default=1
        Pixels of the output from one element of the kernel to the next.

    Returns
    -------
    length : int
        Length of the output, in pixels.

    Raises
    ------
    ValueError
        If a number is no length, the output padding not less than stride or dilation,
        or nothing would be left of the output.

    References
    ----------
    .. [1] V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning",
       2016. https://arxiv.org/abs/1603.07285

    Examples
    --------
    >>> from skdeconv.networks import conv_transpose_size
    >>> conv_transpose_size(16, kernel_size=3, stride=2)
    33
    >>> conv_transpose_size(16, kernel_size=3, stride=2, padding=1, output_padding=1)
    32
    """
    lengths = {"n": n, "kernel_size": kernel_size, "stride": stride}
    lengths |= {"padding": padding, "output_padding": output_padding}
    for name, value in (lengths | {"dilation": dilation}).items():
        least = 0 if name.endswith("padding") else 1
        if not isinstance(value, Integral) or value < least:
            raise ValueError(
                f"{name} must be an int of at least {least}, got {value!r}."
            )
    if output_padding >= max(stride, dilation):
        raise ValueError(
            "output_padding must be less than stride or dilation, got "
            f"{output_padding} for stride={stride} and dilation={dilation}."
        )
    length = (n - 1) * stride - 2 * padding + dilation * (kernel_size - 1)
    length += output_padding + 1
    if length < 1:
        raise ValueError(
            f"padding must leave some of the output, got padding={padding} for n={n}, "
            f"kernel_size={kernel_size} and stride={stride}."
        )
    return length


def conv_transpose_same(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] = 1,
    *,
    ndim: int = 2,
    bias: bool = True,
) -> nn.Module:
    """Build a transposed convolution from n to exactly ``n * stride`` pixels.

    Size and alignment are those of TensorFlow's ``Conv2DTranspose(padding="same")``: of
    the ``kernel_size - stride`` pixels too many, half are cut off at either end, and
    the odd one at the end. A kernel smaller than the stride leaves pixels at the end
    that hold the bias only.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    out_channels : int
        Channels of the output.
    kernel_size : int or tuple of int
        Length of the kernel, along every axis or for each.
    stride : int or tuple of int, default=1
        How many times larger the output is, along every axis or for each.
    ndim : {1, 2, 3}, default=2
        Number of spatial axes.
    bias : bool, default=True
        Whether a number is added to each channel.

    Returns
    -------
    layer : ConvTranspose1d, ConvTranspose2d or ConvTranspose3d
        A subclass of torch's layer, from ``(batch, in_channels, *spatial)`` to
        ``(batch, out_channels, *(n * stride))``.

    Raises
    ------
    ValueError
        If kernel or stride are not positive, or not one number per axis.

    Notes
    -----
    torch's own ``padding`` cuts off as much at the start as at the end, and its
    ``output_padding`` keeps more at the end: where ``kernel_size - stride`` is odd, the
    usual ``padding=1, output_padding=1`` of kernel 3 and stride 2 gives the size of
    TensorFlow, moved by a pixel. For weights that were trained there this matters.

    Examples
    --------
    >>> import torch
    >>> from skdeconv.networks import conv_transpose_same
    >>> layer = conv_transpose_same(8, 3, kernel_size=3, stride=2)
    >>> layer(torch.zeros(1, 8, 15, 20)).shape
    torch.Size([1, 3, 30, 40])
    """
    CONV_TRANSPOSE[ndim]  # refuses another number of axes
    kernel = _per_axis("kernel_size", kernel_size, ndim)
    strides = _per_axis("stride", stride, ndim)
    surplus = [k - s for k, s in zip(kernel, strides, strict=True)]
    return _SAME[ndim](
        in_channels,
        out_channels,
        kernel,
        strides,
        padding=tuple(max(n, 0) // 2 for n in surplus),
        output_padding=tuple(max(-n, 0) for n in surplus),
        bias=bias,
    )


class _Same:
    """Cuts off the odd pixel at the end, which torch's padding cannot."""

    def forward(self, x: Tensor) -> Tensor:
        lengths = zip(x.shape[-len(self.stride) :], self.stride, strict=True)
        return crop(super().forward(x), tuple(n * s for n, s in lengths))


class ConvTransposeSame1d(_Same, nn.ConvTranspose1d):
    """From ``(batch, channels, n)`` to ``n * stride``."""


class ConvTransposeSame2d(_Same, nn.ConvTranspose2d):
    """From ``(batch, channels, n, m)`` to ``n * stride, m * stride``."""


class ConvTransposeSame3d(_Same, nn.ConvTranspose3d):
    """From ``(batch, channels, n, m, l)`` to ``n * stride, m * stride, l * stride``."""


_SAME = {1: ConvTransposeSame1d, 2: ConvTransposeSame2d, 3: ConvTransposeSame3d}


def _per_axis(name, value, ndim):
    lengths = value if isinstance(value, tuple | list) else (value,) * ndim
    sound = all(isinstance(n, Integral) and n > 0 for n in lengths)
    if len(lengths) != ndim or not sound:
        raise ValueError(
            f"{name} must be a positive int or one for each of {ndim} axes, got "
            f"{value!r}."
        )
    return tuple(lengths)
