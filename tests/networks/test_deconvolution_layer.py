"""What a transposed convolution computes: three definitions, sizes, and what it is not.

Every proof runs in one to three dimensions, in float64.
"""

from itertools import product

import pytest
import torch
from torch.nn import functional

from skdeconv.networks import conv_transpose_same, conv_transpose_size
from skdeconv.operators import Blur, gaussian_psf
from skdeconv.solvers import wiener

CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
DECONV = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}
# Every combination of small numbers that torch takes.
SETTINGS = [
    {"kernel_size": k, "stride": s, "padding": p, "output_padding": o, "dilation": d}
    for k, s, p, o, d in product((1, 2, 3, 4), (1, 2, 3), (0, 1, 2), (0, 1, 2), (1, 2))
    if o < max(s, d)
]
axes = pytest.mark.parametrize("ndim", [1, 2, 3])


def draw(*shape):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def drawn(ndim, kernel_size):
    """Images of 2 channels, and a kernel from 2 channels to 3."""
    return draw(2, 2, *(7, 6, 5)[:ndim]), draw(2, 3, *[kernel_size] * ndim)


def deconvolved(x, weight, setting):
    options = {k: v for k, v in setting.items() if k != "kernel_size"}
    return DECONV[x.ndim - 2](x, weight, **options)


def by_formula(x, weight, kernel_size, stride, padding, output_padding, dilation):
    """Every pixel of the input adds a copy of the kernel that it scales."""
    (batch, _, n), (_, channels, _) = x.shape, weight.shape
    length = (n - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + 1
    y = x.new_zeros(batch, channels, length + output_padding)
    for i, k in product(range(n), range(kernel_size)):
        j = stride * i + dilation * k - padding
        if 0 <= j < y.shape[-1]:
            y[:, :, j] += x[:, :, i] @ weight[:, :, k]
    return y


def zeros_inserted(x, stride, ndim):
    """Put ``stride - 1`` zeros between one pixel and the next."""
    spread = x.new_zeros(*x.shape[:2], *((n - 1) * stride + 1 for n in x.shape[2:]))
    spread[(..., *[slice(None, None, stride)] * ndim)] = x
    return spread


def by_zero_insertion(x, weight, setting):
    """Insert zeros, pad, convolve with the kernel that is flipped on all axes."""
    ndim = x.ndim - 2
    start = setting["dilation"] * (setting["kernel_size"] - 1) - setting["padding"]
    spread = zeros_inserted(x, setting["stride"], ndim)
    spread = functional.pad(spread, (start, start + setting["output_padding"]) * ndim)
    flipped = weight.flip(tuple(range(2, 2 + ndim))).transpose(0, 1)
    return CONV[ndim](spread, flipped, dilation=setting["dilation"])


def test_formula():
    for setting in SETTINGS:
        x, weight = drawn(1, setting["kernel_size"])
        expected = by_formula(x, weight, **setting)
        torch.testing.assert_close(
            deconvolved(x, weight, setting), expected, msg=str(setting)
        )


@axes
def test_is_the_adjoint_of_the_convolution_with_the_same_weight(ndim):
    """<C y, x> is <y, C* x>: of the convolution, whose weight is used as it is."""
    for setting in SETTINGS:
        x, weight = drawn(ndim, setting["kernel_size"])
        back = deconvolved(x, weight, setting)
        y = draw(*back.shape)
        options = {k: setting[k] for k in ("stride", "padding", "dilation")}
        seen = CONV[ndim](y, weight, **options)
        # What is left over beyond the last stride may be another pixel of the input.
        assert all(a >= b for a, b in zip(seen.shape, x.shape, strict=True))
        seen = seen[tuple(slice(n) for n in x.shape)]
        difference = abs(float((seen * x).sum() - (y * back).sum()))
        assert difference <= 1e-10 * float(back.norm() * y.norm()), setting


@axes
def test_is_the_gradient_of_the_convolution(ndim):
    x, weight = drawn(ndim, 3)
    y = draw(2, 3, *(13, 11, 9)[:ndim]).requires_grad_()
    seen = CONV[ndim](y, weight, stride=2, padding=1)
    (slope,) = torch.autograd.grad(seen, y, x)
    torch.testing.assert_close(DECONV[ndim](x, weight, stride=2, padding=1), slope)


@axes
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 1e-6)]
)
def test_is_zero_insertion_and_convolution_with_the_flipped_kernel(
    dtype, tolerance, ndim
):
    for setting in SETTINGS:
        x, weight = (t.to(dtype) for t in drawn(ndim, setting["kernel_size"]))
        expected = by_zero_insertion(x, weight, setting)
        difference = (deconvolved(x, weight, setting) - expected).abs().max()
        assert difference <= tolerance * expected.abs().max(), setting


def test_the_kernel_must_be_flipped():
    """The test above would notice a kernel that is not."""
    x, weight = drawn(2, 3)
    setting = dict.fromkeys(("stride", "dilation"), 1) | {"padding": 0}
    setting |= {"kernel_size": 3, "output_padding": 0}
    wrong = by_zero_insertion(x, weight.flip(2, 3), setting)
    assert (deconvolved(x, weight, setting) - wrong).abs().max() > 0.1


@pytest.mark.parametrize("n", [5, 6, 11])
def test_size(n):
    for setting in SETTINGS:
        y = deconvolved(draw(1, 1, n), draw(1, 1, setting["kernel_size"]), setting)
        assert conv_transpose_size(n, **setting) == y.shape[-1], setting


def test_size_refuses_what_leaves_nothing():
    with pytest.raises(ValueError, match="leave some of the output, got padding=2"):
        conv_transpose_size(2, kernel_size=3, padding=2)


def tensorflow_same(x, weight, stride):
    """The gradient of TensorFlow's convolution with ``padding="same"``, by its rule.

    Its input has ``n * stride`` pixels; it pads by what the kernel needs, the odd pixel
    at the end.
    """
    ndim, kernel = x.ndim - 2, weight.shape[-1]
    missing = max(kernel - stride, 0)
    pads = (missing // 2, missing - missing // 2) * ndim
    y = draw(len(x), weight.shape[1], *(n * stride for n in x.shape[2:]))
    y.requires_grad_()
    seen = CONV[ndim](functional.pad(y, pads), weight, stride=stride)
    return torch.autograd.grad(seen, y, x)[0]


@axes
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
def test_same_as_tensorflow(kernel_size, stride, ndim):
    x, _ = drawn(ndim, kernel_size)
    layer = conv_transpose_same(2, 3, kernel_size, stride, ndim=ndim, bias=False)
    layer = layer.double()
    y = layer(x)
    assert y.shape == (2, 3, *(stride * n for n in x.shape[2:]))
    torch.testing.assert_close(y, tensorflow_same(x, layer.weight, stride))


def test_same_is_a_layer_of_torch_with_bias_and_lengths_per_axis():
    layer = conv_transpose_same(4, 2, (3, 5), (2, 1))
    assert isinstance(layer, torch.nn.ConvTranspose2d)
    assert layer.bias is not None
    assert layer(torch.zeros(1, 4, 6, 7)).shape == (1, 2, 12, 7)
    assert layer(torch.zeros(4, 6, 7)).shape == (2, 12, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": 0}, "kernel_size must be a positive int"),
        ({"kernel_size": (3, 3, 3)}, "kernel_size .* each of 2 axes"),
        ({"kernel_size": 3, "stride": -1}, "stride must be a positive int"),
        ({"kernel_size": 3, "ndim": 4}, "ndim must be 1, 2 or 3, got 4"),
    ],
)
def test_same_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        conv_transpose_same(1, 1, **arguments)


@pytest.mark.parametrize(
    ("kernel_size", "even"), [(2, True), (3, False), (4, True), (5, False)]
)
def test_overlap_is_even_where_the_stride_divides_the_kernel(kernel_size, even):
    ones = torch.ones(1, 1, 16, 16)
    kernel = torch.ones(1, 1, kernel_size, kernel_size)
    overlap = functional.conv_transpose2d(ones, kernel, stride=2)[..., 8:-8, 8:-8]
    assert (overlap.amin() == overlap.amax()) == even


def test_it_blurs_again_where_wiener_deconvolves():
    truth = torch.zeros(1, 1, 48, 48, dtype=torch.float64)
    truth[..., 12:36, 20:30] = 1
    psf = torch.as_tensor(gaussian_psf(1.5))
    blur = Blur(psf.numpy(), "periodic")
    blurred = blur(truth)
    half = psf.shape[0] // 2
    again = functional.conv_transpose2d(blurred, psf[None, None].double(), padding=half)
    restored = wiener(blurred, blur, alpha=1e-4).x

    def error(image):
        return float((image - truth).square().mean())

    assert error(again) > 1.3 * error(blurred)
    assert error(restored) < 0.5 * error(blurred)
    # As an operator, too, it is the adjoint and not the inverse.
    torch.testing.assert_close(
        again[..., 12:36, 12:36], blur.adjoint(blurred)[..., 12:36, 12:36]
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n": 0}, "n must be an int of at least 1, got 0"),
        ({"stride": 1.5}, "stride must be an int"),
        ({"padding": -1}, "padding must be an int of at least 0, got -1"),
        ({"output_padding": 2}, "output_padding must be less than stride or dilation"),
        ({"padding": 40}, "padding must leave some"),
    ],
)
def test_lengths_that_torch_refuses(changed, message):
    with pytest.raises(ValueError, match=message):
        conv_transpose_size(**{"n": 16, "kernel_size": 3, "stride": 2} | changed)


def test_kernels_that_are_none():
    with pytest.raises(ValueError, match=r"kernel_size must be a positive int.* 3\.5"):
        conv_transpose_same(1, 1, kernel_size=3.5)
