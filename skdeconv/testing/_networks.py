"""Checks that any network should pass."""

import pickle
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skdeconv.networks._layers import constructor_arguments
from skdeconv.neural._net import has_bfloat16

SIZES = {
    1: [(1,), (2,), (17,), (32,)],
    2: [(1, 1), (3, 1), (13, 18), (16, 24)],
    3: [(1, 1, 1), (1, 3, 2), (5, 6, 9)],
}
# Large enough for batches to be normalised, in every number of axes.
TRAINED = {1: (32,), 2: (16, 12), 3: (8, 8, 8)}
# Noise levels of three images.
LEVELS = torch.tensor([0.05, 0.1, 0.2])


def check_network(network_class: type[nn.Module], **kwargs) -> None:
    """Check that a network can be trained by ``DeconvRestorer`` on any images.

    It is tried on signals, images and volumes of any size, a single pixel included,
    with 1, 3 and 5 channels. Outputs must be finite, of float32 and of the size of the
    input (times ``upscale`` where its constructor has that argument); they must not
    depend on the other images of the batch, on the global random state or on being
    called before; gradients must reach every parameter that is not frozen; pickles and
    state dicts must keep it. A network with a true attribute ``noise_map`` is called
    with a noise level for every image, too.

    Parameters
    ----------
    network_class : class of nn.Module
        Network from ``(batch, channels, *spatial)`` to the same. Built with those of
        the arguments ``in_channels``, ``out_channels`` and ``ndim`` that its
        constructor takes: without the first it is tried on one channel, without the
        last in two dimensions.
    **kwargs : dict
        Further arguments of its constructor. ``ndim`` restricts the checks to that
        number of axes, ``in_channels`` to those channels.

    Raises
    ------
    AssertionError
        If a check fails.
    TypeError
        If `network_class` is no class.

    See Also
    --------
    skdeconv.networks.network_summary : What a network costs.

    Examples
    --------
    >>> from skdeconv.networks import ConvTransposeNet
    >>> from skdeconv.testing import check_network
    >>> check_network(ConvTransposeNet, width=8)
    """
    if not isinstance(network_class, type):
        raise TypeError(f"network_class must be a class, got {network_class!r}.")
    for ndim in (1, 2, 3):
        maker = _Maker(network_class, kwargs, ndim)
        if ndim in maker.axes:
            maker.network()  # raises by itself what it cannot be built of
            for check in CHECKS:
                _run(check, maker)


def _run(check, maker):
    """Run a check, and say what failed whatever is raised."""
    try:
        check(maker)
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(
            f"{check.__doc__.partition('.')[0]}, but with ndim={maker.ndim}: "
            f"{type(error).__name__}: {error}"
        ) from error


@dataclass(frozen=True)
class _Maker:
    """Builds networks of one class, and images for them."""

    network_class: type[nn.Module]
    kwargs: dict
    ndim: int

    def takes(self, name):
        """Whether the constructor has an argument that is still free."""
        known = constructor_arguments(self.network_class)
        return name in known and name not in self.kwargs

    @property
    def axes(self):
        if self.takes("ndim"):
            return (1, 2, 3)
        return (self.kwargs.get("ndim", 2),)

    @property
    def channels(self):
        if self.takes("in_channels"):
            return (1, 3, 5)
        return (self.kwargs.get("in_channels", 1),)

    @property
    def upscale(self):
        known = constructor_arguments(self.network_class)
        default = known["upscale"].default if "upscale" in known else 1
        return self.kwargs.get("upscale", default)

    def network(self, channels=None, out_channels=None, seed=0) -> nn.Module:
        channels = self.channels[0] if channels is None else channels
        arguments = {
            "in_channels": channels,
            "out_channels": channels if out_channels is None else out_channels,
            "ndim": self.ndim,
        }
        arguments = {k: v for k, v in arguments.items() if self.takes(k)}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self.network_class(**arguments, **self.kwargs)
        return network.eval()

    def images(self, size=None, channels=None, batch=2) -> Tensor:
        channels = self.channels[0] if channels is None else channels
        generator = torch.Generator().manual_seed(0)
        size = TRAINED[self.ndim] if size is None else size
        return torch.rand(batch, channels, *size, generator=generator)

    def answer(self, network, x, levels=None) -> Tensor:
        """Call a network as a restorer does."""
        inputs = [x]
        if getattr(network, "noise_map", False):
            inputs.append(torch.full((len(x),), 0.1) if levels is None else levels)
        out = network(*inputs)
        assert isinstance(out, Tensor), f"it answers a {type(out).__name__}"
        return out

    def output_shape(self, x, channels=None):
        channels = x.shape[1] if channels is None else channels
        return (len(x), channels, *(self.upscale * n for n in x.shape[2:]))


@torch.no_grad()
def check_sizes_and_channels(maker):
    """Images of any size and number of channels give images of that size."""
    for channels in maker.channels:
        network = maker.network(channels)
        for size in SIZES[maker.ndim]:
            x = maker.images(size, channels)
            kept = x.clone()
            out = maker.answer(network, x)
            expected = maker.output_shape(x)
            assert out.shape == expected, (
                f"{tuple(x.shape)} becomes {tuple(out.shape)}, not {expected}"
            )
            assert out.dtype == torch.float32, f"the output is of {out.dtype}"
            assert out.isfinite().all(), f"the output for {size} is not finite"
            assert torch.equal(x, kept), "the input was changed in place"
    if maker.takes("in_channels") and maker.takes("out_channels"):
        x = maker.images(channels=3)
        out = maker.answer(maker.network(3, 1), x)
        expected = maker.output_shape(x, 1)
        assert out.shape == expected, (
            f"in_channels=3, out_channels=1 gives {tuple(out.shape)}, not {expected}"
        )


@torch.no_grad()
def check_finite(maker):
    """Black, bright and wild images give finite answers."""
    network, x = maker.network(), maker.images()
    for image in (torch.zeros_like(x), torch.full_like(x, 100.0), 100 * (x - 0.5)):
        assert maker.answer(network, image).isfinite().all(), "the output is not finite"


@torch.no_grad()
def check_batch_independence(maker):
    """In evaluation mode, an image does not care about the rest of its batch."""
    network, x, levels = maker.network(), maker.images(batch=3), LEVELS
    together = maker.answer(network, x, levels)
    pairs = zip(x.split(1), levels.split(1), strict=True)
    alone = torch.cat([maker.answer(network, *pair) for pair in pairs])
    difference = float((together - alone).abs().max() / (1 + together.abs().max()))
    assert difference < 1e-5, f"answers alone and in a batch differ by {difference:.1e}"


@torch.no_grad()
def check_determinism(maker):
    """Answers repeat, without the global generator; seeds make equal networks."""
    network, x = maker.network(), maker.images()
    state = torch.get_rng_state()
    first = maker.answer(network, x)
    assert torch.equal(torch.get_rng_state(), state), "the global generator was used"
    again = maker.answer(network, x)
    assert torch.equal(again, first), "a second call answers otherwise"
    again = maker.answer(maker.network(), x)
    assert torch.equal(again, first), "the same seed gives another network"


@torch.no_grad()
def check_copies(maker):
    """Pickles and state dicts keep a network."""
    network, x = maker.network(), maker.images()
    expected = maker.answer(network, x)
    try:
        again = pickle.loads(pickle.dumps(network))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise AssertionError(
            f"it cannot be pickled ({error}); define its class, and those of its "
            "parts, at the top of a module"
        ) from error
    loaded = maker.answer(again, x)
    assert torch.equal(loaded, expected), "a pickled copy answers otherwise"
    other = maker.network(seed=1)
    other.load_state_dict(network.state_dict())
    loaded = maker.answer(other, x)
    assert torch.equal(loaded, expected), "loaded weights answer otherwise"


@torch.random.fork_rng(devices=[])
def check_gradients(maker):
    """Training moves every parameter, also in bfloat16 where that is sound."""
    torch.manual_seed(0)
    network, x = maker.network().train(), maker.images(batch=4)
    trained = {n: p for n, p in network.named_parameters() if p.requires_grad}
    assert trained, "it has no parameters to train"
    optimizer = torch.optim.SGD(trained.values(), lr=1e-3)
    target = torch.full(maker.output_shape(x, maker.answer(network, x).shape[1]), 0.5)
    moved = dict.fromkeys(trained, False)
    # A layer that starts at zero hides those before it from the first step.
    for bfloat16 in (False, False, x.ndim < 5 or has_bfloat16("cpu", ndim=3)):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            out = maker.answer(network, x)
        assert out.requires_grad, "no gradient comes back from the output"
        (out.float() - target).square().mean().backward()
        for name, parameter in trained.items():
            assert parameter.grad is not None, f"no gradient reaches {name}"
            assert parameter.grad.isfinite().all(), f"the gradient of {name} diverges"
            moved[name] |= bool(parameter.grad.any())
        optimizer.step()
    still = [name for name, any_ in moved.items() if not any_]
    assert not still, f"the gradient of {still} is zero"


CHECKS = [
    check_sizes_and_channels,
    check_finite,
    check_determinism,
    check_batch_independence,
    check_copies,
    check_gradients,
]
