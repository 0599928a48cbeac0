"""Checks that any restorer should pass, and small restorers to try them on."""

import pickle
import re
from collections.abc import Callable, Iterable

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from skdeconv.restorers import (
    BilateralRestorer,
    BlockMatchingRestorer,
    LeastSquaresRestorer,
    MedianRestorer,
    NonLocalMeansRestorer,
    RichardsonLucyRestorer,
    SparseCodingRestorer,
    TotalVariationRestorer,
    WaveletRestorer,
    WienerRestorer,
)
from skdeconv.testing._operators import PSFS


def example_restorers(ndim: int = 2) -> list[BaseEstimator]:
    """Give one small instance of every restorer, for tests.

    Parameters
    ----------
    ndim : {1, 2, 3}, default=2
        Number of spatial axes.

    Returns
    -------
    restorers : list of estimators
        Quick to fit, with ``data_range=1.0``.
    """
    from skdeconv.hybrid import (  # noqa: PLC0415 - the same
        PlugAndPlayRestorer,
    )
    from skdeconv.neural import (  # noqa: PLC0415 - skorch is slow
        AdversarialRestorer,
        DeconvRestorer,
        PretrainedDenoiser,
        UnrolledRestorer,
        VariationalRestorer,
    )

    psf, plain = PSFS[ndim], {"data_range": 1.0}
    network = {
        "precision": "float32",
        "max_epochs": 1,
        "patches_per_epoch": 16,
        "ndim": ndim,
        **plain,
    }
    unet = {"module__width": 4, "module__n_blocks": 1, **network}
    weak = WaveletRestorer(levels=2)
    return [
        WienerRestorer(psf, **plain),
        WienerRestorer(psf, boundary="periodic", regularizer="spectrum", **plain),
        WienerRestorer(psf, alpha=0.1, boundary="reflect", **plain),
        WienerRestorer(psf, boundary="periodic", regularizer="identity", **plain),
        WienerRestorer(psf, boundary="reflect", **plain),
        LeastSquaresRestorer(psf, max_iter=20, **plain),
        LeastSquaresRestorer(
            psf, method="fista", nonnegative=True, alpha=1e-3, max_iter=10, **plain
        ),
        TotalVariationRestorer(ndim=ndim, **plain),
        TotalVariationRestorer(psf, alpha=1e-3, max_iter=30, **plain),
        RichardsonLucyRestorer(psf, **plain),
        SparseCodingRestorer(n_components=16, patch_size=5 - ndim, ndim=ndim, **plain),
        SparseCodingRestorer(psf, max_iter=5, **plain),
        MedianRestorer(ndim=ndim, **plain),
        BilateralRestorer(ndim=ndim, **plain),
        NonLocalMeansRestorer(search_radius=4 - ndim, ndim=ndim, **plain),
        WaveletRestorer(levels=2, ndim=ndim, **plain),
        BlockMatchingRestorer(patch_size=4, search_radius=4, ndim=ndim, **plain),
        BlockMatchingRestorer(noise_std=0.05, step=2, ndim=ndim, **plain),
        BlockMatchingRestorer(psf, max_iter=2, search_radius=2, **plain),
        PlugAndPlayRestorer(psf, denoiser=weak, max_iter=3, **plain),
        PlugAndPlayRestorer(
            denoiser=NonLocalMeansRestorer(search_radius=4 - ndim), ndim=ndim, **plain
        ),
        DeconvRestorer(**unet),
        DeconvRestorer("conv_transpose", **network),
        DeconvRestorer(supervision="noise2void", module__noise_map=True, **unet),
        PretrainedDenoiser(fine_tune=False, ndim=ndim, **plain),
        # After one epoch, an answer lies so near 0 that float32 does not repeat it.
        AdversarialRestorer(discriminator_width=4, **unet | {"max_epochs": 2}),
        UnrolledRestorer(
            psf, pretrained=False, max_iter=2, **unet | {"patches_per_epoch": 8}
        ),
        VariationalRestorer(**unet),
    ]


def check_restorer(restorer: BaseEstimator) -> None:
    """Run all checks of the image contract on a restorer.

    Parameters
    ----------
    restorer : estimator
        Unfitted; it is cloned. Its data must have a range of 1 (``data_range=1.0`` or
        None).

    Raises
    ------
    AssertionError
        If a check fails.

    See Also
    --------
    parametrize_restorers : One pytest test per check.

    Examples
    --------
    >>> from skdeconv import WienerRestorer
    >>> from skdeconv.testing import check_restorer
    >>> check_restorer(WienerRestorer([[0.2, 0.5, 0.3]]))
    """
    for check in restorer_checks(restorer):
        check(clone(restorer))


def parametrize_restorers(restorers: Iterable[BaseEstimator]):
    """Make a pytest decorator that runs every check on every restorer.

    Parameters
    ----------
    restorers : iterable of estimators
        Unfitted restorers.

    Returns
    -------
    decorator : pytest.MarkDecorator
        Parametrises ``restorer`` and ``check``; the test calls ``check(restorer)``.

    See Also
    --------
    check_restorer : Run all checks at once.
    """
    import pytest  # noqa: PLC0415 - only tests need it

    cases = [
        pytest.param(restorer, check, id=f"{i}-{_short(restorer)}-{check.__name__}")
        for i, restorer in enumerate(restorers)
        for check in restorer_checks(restorer)
    ]
    return pytest.mark.parametrize(("restorer", "check"), cases)


def restorer_checks(restorer: BaseEstimator) -> list[Callable]:
    """Give the checks that apply to a restorer.

    Parameters
    ----------
    restorer : estimator
        Unfitted restorer.

    Returns
    -------
    checks : list of callable
        Each takes a restorer and raises AssertionError.
    """
    checks = [
        check_containers,
        check_dtypes,
        check_data_untouched,
        check_bad_input,
        check_refit,
        check_pickle_and_clone,
        check_score,
    ]
    if not _is_trained(restorer):
        checks += [check_constant, check_scale, check_channels]
    return checks


def check_containers(restorer):
    """Stacks, lists and object arrays of grey and colour images come back in kind."""
    for channels in ((), (3,)):
        stack = _images(restorer, 2, channels)
        restored = _fitted(restorer, stack).predict(stack)
        assert isinstance(restored, np.ndarray)
        assert restored.shape == stack.shape
        assert np.isfinite(restored).all()
        mixed = [stack[0], _images(restorer, 1, channels, grow=3)[0]]
        objects = np.empty(2, dtype=object)
        objects[:] = mixed
        # Every kind of X and y is fitted on once, grey or in colour.
        if channels:
            _fitted(restorer, list(stack), y=_clean(stack))
            fitted = _fitted(restorer, objects)
        else:
            _fitted(restorer, stack, y=list(_clean(stack)))
            fitted = _fitted(restorer, mixed)
        restored = fitted.predict(mixed)
        assert isinstance(restored, list)
        assert [r.shape for r in restored] == [x.shape for x in mixed]
        restored = fitted.predict(objects)
        assert restored.dtype == object
        assert [r.shape for r in restored] == [x.shape for x in mixed]


def check_dtypes(restorer):
    """Floating answers in the units of the input, whatever its dtype."""
    X = _images(restorer, 2)
    trained = _is_trained(restorer)
    for dtype in (np.float32, np.float64):
        restored = _fitted(restorer, X.astype(dtype)).predict(X.astype(dtype))
        assert restored.dtype == (np.float32 if trained else dtype)
    reference = restored
    for kind, span in ((np.uint8, 255), (np.uint16, 65535), (np.bool_, 1)):
        scaled = (X > 0.5) if span == 1 else np.rint(span * X).astype(kind)
        fresh = clone(restorer).set_params(data_range=None)
        restored = _fitted(fresh, scaled).predict(scaled)
        assert restored.dtype == np.float32
        assert np.isfinite(restored).all()
        if span > 1 and not trained:
            error = np.abs(restored / span - reference).mean()
            assert error < 0.05, f"{kind.__name__} answers are off by {error:.3f}"


def check_data_untouched(restorer):
    """Read-only data serve, and predict changes neither data nor estimator."""
    X = _images(restorer, 2)
    kept = X.copy()
    X.flags.writeable = False
    fitted = _fitted(restorer, X)
    state = pickle.dumps(fitted)
    first = fitted.predict(X)
    assert pickle.dumps(fitted) == state
    assert np.array_equal(first, fitted.predict(X))
    assert np.array_equal(X, kept)


def check_bad_input(restorer):
    """Everything that breaks the contract gets a ValueError that names it."""
    X = _images(restorer, 3)
    _raises(NotFittedError, "not fitted", clone(restorer).predict, X)
    fitted = _fitted(restorer, X)
    broken = X.copy()
    broken[0].flat[0] = np.nan
    _raises(ValueError, "NaN", fitted.predict, broken)
    _raises(ValueError, "NaN", clone(restorer).fit, broken, broken)
    _raises(ValueError, "Reshape your data|must have shape", fitted.predict, X[0])
    _raises(ValueError, "empty|0 sample", clone(restorer).fit, [], [])
    _raises(ValueError, "channel", fitted.predict, np.stack([X, X], axis=-1))
    _raises(ValueError, "same", clone(restorer).fit, X, X[:2])
    if X.ndim > 2:
        _raises(ValueError, "same shapes", clone(restorer).fit, X, X[:, 1:])


def check_refit(restorer):
    """A second fit on other shapes and channels forgets the first."""
    fitted = _fitted(restorer, _images(restorer, 2))
    X = _images(restorer, 3, (2,), grow=2)
    clean = _clean(X)
    params = fitted.get_params()
    fitted.fit(X, clean)
    assert fitted.predict(X).shape == X.shape
    assert all(fitted.get_params()[name] is params[name] for name in params)
    broken = np.full_like(X, np.nan)
    _raises(ValueError, "NaN", fitted.fit, broken, clean)
    _raises(NotFittedError, "not fitted", fitted.predict, X)


def check_pickle_and_clone(restorer):
    """A pickled restorer restores alike; a clone is unfitted and refits alike."""
    X = _images(restorer, 2)
    fitted = _fitted(restorer, X)
    expected = fitted.predict(X)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict(X), expected)
    assert not hasattr(clone(fitted), "data_range_")
    assert np.array_equal(_fitted(clone(fitted), X).predict(X), expected)
    assert type(restorer).__name__ in repr(fitted)
    fitted._repr_html_()


def check_score(restorer):
    """The score is a finite float, also of a perfect answer."""
    X = _images(restorer, 2)
    score = _fitted(restorer, X).score(X, _clean(X))
    assert isinstance(score, float)
    assert np.isfinite(score)
    flat = np.full_like(X, 0.5)
    assert np.isfinite(_fitted(restorer, flat).score(flat, flat))


def check_constant(restorer):
    """A constant image stays constant, black included."""
    for level in (0.0, 0.5, 1.0):
        X = np.full_like(_images(restorer, 1), level)
        restored = _fitted(restorer, X).predict(X)
        assert np.allclose(restored, level, atol=1e-5), np.abs(restored - level).max()


def check_scale(restorer):
    """Restoring k times the data gives k times the answer, the range scaled along."""
    X = _images(restorer, 2)
    expected = _fitted(restorer, X).predict(X)
    scaled = clone(restorer).set_params(data_range=8.0)
    if isinstance(scaled.get_params().get("noise_std"), float):
        scaled.set_params(noise_std=8 * scaled.noise_std)
    restored = _fitted(scaled, 8 * X).predict(8 * X)
    assert np.allclose(restored, 8 * expected, atol=1e-4), np.abs(
        restored - 8 * expected
    ).max()


def check_channels(restorer):
    """Equal channels are restored like the grey image they repeat."""
    X = _images(restorer, 2)
    grey = _fitted(restorer, X).predict(X)
    tripled = np.stack([X] * 3, axis=-1)
    restored = _fitted(restorer, tripled).predict(tripled)
    spread = np.abs(restored - restored[..., :1]).max()
    assert spread < 1e-4, f"equal channels come back {spread:.1e} apart"
    assert np.abs(restored[..., 0] - grey).mean() < 0.05


def _is_trained(restorer):
    """Whether it is a network, which computes and answers in float32."""
    return get_tags(restorer).transformer_tags.preserves_dtype == ["float32"]


def _short(restorer):
    return type(restorer).__name__


def _fitted(restorer, X, y=None):
    restorer = clone(restorer)
    if "random_state" in restorer.get_params():
        restorer.set_params(random_state=0)
    return restorer.fit(X, _clean(X) if y is None and _is_trained(restorer) else y)


def _clean(X):
    """A target of the kind and shapes of X."""
    if isinstance(X, list):
        return [_clean(x) for x in X]
    if X.dtype == object:
        clean = np.empty(len(X), dtype=object)
        clean[:] = [_clean(x) for x in X]
        return clean
    return X.copy()


def _images(restorer, n, channels=(), grow=0):
    """Smooth scenes with some noise, in [0, 1], larger than the PSF."""
    psf = restorer.get_params().get("psf")
    ndim = restorer.get_params().get("ndim", 2) if psf is None else np.ndim(psf)
    support = (0,) * ndim if psf is None else np.shape(psf)
    short = 8 if ndim == 3 else 10
    shape = [max(short + i, k + 6) + grow for i, k in enumerate(support)]
    rng = np.random.default_rng(len(shape) + grow)
    waves = sum(
        np.sin(np.linspace(0, 3 + i, m)).reshape(
            [-1 if j == i else 1 for j in range(ndim)]
        )
        for i, m in enumerate(shape)
    )
    scene = 0.5 + 0.3 * waves / ndim
    images = np.broadcast_to(
        scene.reshape(1, *shape, *[1] * len(channels)), (n, *shape, *channels)
    )
    return np.clip(images + 0.05 * rng.standard_normal(images.shape), 0, 1)


def _raises(kind, pattern, function, *arguments):
    try:
        function(*arguments)
    except kind as error:
        assert re.search(pattern, str(error)), f"unclear message: {error}"
    else:
        raise AssertionError(f"no {kind.__name__} where /{pattern}/ was expected")
