"""PSNR, SSIM and scorers."""

import numpy as np
import pytest
import torch
from skimage.data import camera
from skimage.metrics import peak_signal_noise_ratio
from skimage.metrics import structural_similarity as skimage_ssim
from sklearn import clone, config_context
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline

from skdeconv import WienerRestorer
from skdeconv.estimation import risk_scorer
from skdeconv.metrics import (
    make_psnr_scorer,
    make_ssim_scorer,
    psnr,
    psnr_scorer,
    ssim,
    ssim_scorer,
    structural_similarity,
)
from skdeconv.operators import gaussian_psf

CLEAN = np.stack([camera()[:64, :60], camera()[200:264, 100:160]])
NOISY = CLEAN + np.random.default_rng(0).normal(0, 20, CLEAN.shape)


def test_psnr_agrees_with_skimage():
    expected = [
        peak_signal_noise_ratio(c.astype(float), n, data_range=255)
        for c, n in zip(CLEAN, NOISY, strict=True)
    ]
    assert psnr(CLEAN, NOISY, data_range=255, reduction="none") == pytest.approx(
        expected
    )
    assert psnr(CLEAN, NOISY, data_range=255) == pytest.approx(np.mean(expected))


def test_psnr_is_finite_for_equal_images():
    assert psnr(CLEAN, CLEAN, data_range=255) == 120


def test_unsigned_integers_do_not_wrap_around():
    assert psnr(CLEAN, CLEAN - np.uint8(1), data_range=255) < 60


@pytest.mark.parametrize("channels", [0, 3])
def test_ssim_agrees_with_skimage(channels):
    clean, noisy = CLEAN.astype(float), NOISY
    if channels:
        clean = np.stack([clean, clean[:, ::-1], clean[:, :, ::-1]], axis=-1)
        noisy = np.stack([noisy, noisy[:, ::-1], noisy[:, :, ::-1]], axis=-1)
    expected = [
        skimage_ssim(
            c,
            n,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=-1 if channels else None,
        )
        for c, n in zip(clean, noisy, strict=True)
    ]
    found = ssim(clean, noisy, data_range=255, reduction="none")
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_ssim_is_differentiable_in_any_dimension(ndim):
    x = torch.rand(2, 1, *[12] * ndim, dtype=torch.float64, requires_grad=True)
    y = torch.rand(2, 1, *[12] * ndim, dtype=torch.float64)
    value = structural_similarity(x, y, data_range=1.0, ndim=ndim)
    value.sum().backward()
    assert value.shape == (2,)
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize(
    ("true", "pred", "options", "message"),
    [
        (CLEAN, NOISY, {"data_range": None}, "data_range"),
        (CLEAN, NOISY, {"data_range": -1}, "data_range"),
        (CLEAN, NOISY[:1], {"data_range": 255}, "same shapes"),
        (CLEAN[0], NOISY[0], {"data_range": 255}, "Reshape your data"),
        (CLEAN, NOISY[:, 1:], {"data_range": 255}, "shapes"),
        (CLEAN, NOISY * np.nan, {"data_range": 255}, "NaN"),
        (CLEAN, NOISY, {"data_range": 255, "reduction": "sum"}, "reduction"),
    ],
)
def test_bad_arguments(metric, true, pred, options, message):
    with pytest.raises(ValueError, match=message):
        metric(true, pred, **options)


def test_ssim_refuses_images_under_its_window():
    with pytest.raises(ValueError, match="at least 11 pixels"):
        ssim(np.zeros((1, 8, 20)), np.zeros((1, 8, 20)), data_range=1)


def test_data_range_is_required():
    with pytest.raises(TypeError):
        psnr(CLEAN, NOISY)


def test_lists_of_different_sizes():
    clean, noisy = list(CLEAN), list(NOISY)
    clean[0], noisy[0] = clean[0][:30], noisy[0][:30]
    assert psnr(clean, noisy, data_range=255, reduction="none").shape == (2,)


@pytest.mark.parametrize(("scorer", "most"), [(psnr_scorer, 60), (ssim_scorer, 1)])
def test_ready_scorers_take_the_range_from_y(scorer, most):
    restorer = WienerRestorer(data_range=255).fit(NOISY)
    by_dtype = scorer(restorer, NOISY, CLEAN)
    assert by_dtype == pytest.approx(scorer(restorer, NOISY, CLEAN.astype(float)))
    assert 0 < by_dtype < most


def test_scorers_find_the_range_through_a_pipeline():
    pipeline = make_pipeline(WienerRestorer(data_range=255), WienerRestorer())
    pipeline.set_params(**{"wienerrestorer-2__data_range": 255}).fit(NOISY)
    clean = CLEAN.astype(float)
    expected = psnr(clean, pipeline.predict(NOISY), data_range=255)
    assert psnr_scorer(pipeline, NOISY, clean) == pytest.approx(expected)
    assert make_psnr_scorer(255)(pipeline, NOISY, clean) == pytest.approx(expected)
    assert make_psnr_scorer(1)(pipeline, NOISY, clean) < expected


def test_scorers_serve_model_selection():
    X, y = np.concatenate([NOISY] * 2), np.concatenate([CLEAN] * 2)
    search = GridSearchCV(
        WienerRestorer(data_range=255),
        {"alpha": [1e-3, 1.0]},
        scoring={"psnr": psnr_scorer, "ssim": make_ssim_scorer()},
        refit="psnr",
        cv=2,
    ).fit(X, y)
    assert search.best_params_ == {"alpha": 1.0}
    assert psnr_scorer(search, X, y.astype(float)) == pytest.approx(search.score(X, y))
    scores = cross_val_score(WienerRestorer(data_range=255), X, y, cv=2)
    assert np.isfinite(scores).all()


def test_scorers_are_routed_a_mask():
    X, y = np.concatenate([NOISY] * 2), np.concatenate([CLEAN] * 2)
    mask = np.random.default_rng(1).random(X.shape) < 0.8
    X[~mask] = 0
    scorers = {
        "psnr": psnr_scorer,
        "ssim": ssim_scorer,
        "blind": psnr_scorer.set_score_request(mask=False),
    }
    with config_context(enable_metadata_routing=True):
        restorer = WienerRestorer(data_range=255).set_fit_request(mask=True)
        search = GridSearchCV(
            restorer, {"alpha": [1e-3, 1.0]}, scoring=scorers, refit="psnr", cv=2
        ).fit(X, y, mask=mask)
    found = search.cv_results_
    halves = [
        restorer.set_params(alpha=1.0)
        .fit(X[a], y[a], mask=mask[a])
        .score(X[b], y[b], mask=mask[b])
        for a, b in (([2, 3], [0, 1]), ([0, 1], [2, 3]))
    ]
    assert found["mean_test_psnr"][1] == pytest.approx(np.mean(halves))
    assert (found["mean_test_psnr"] > found["mean_test_blind"] + 2).all()
    expected = ssim(y, search.best_estimator_.predict(X, mask=mask), data_range=255)
    assert ssim_scorer(search, X, y, mask=mask) == pytest.approx(expected)


def test_scorers_are_routed_psfs():
    X, y = np.concatenate([NOISY] * 2), np.concatenate([CLEAN] * 2)
    psfs = [gaussian_psf(0.5 + 0.3 * i) for i in range(len(X))]
    restorer = WienerRestorer(psfs[1], alpha=0.1, data_range=255)
    scorers = {
        "psnr": psnr_scorer.set_score_request(psf=True),
        "ssim": ssim_scorer.set_score_request(psf=True),
        "risk": risk_scorer.set_score_request(psf=True),
        "blind": psnr_scorer.set_score_request(psf=False),
    }
    with config_context(enable_metadata_routing=True):
        found = cross_validate(
            restorer, X, y, scoring=scorers, cv=2, params={"psf": psfs}
        )
    expected = [
        clone(restorer).fit(X[a]).score(X[b], y[b], psf=psfs[b])
        for a, b in ((slice(2, 4), slice(0, 2)), (slice(0, 2), slice(2, 4)))
    ]
    assert found["test_psnr"] == pytest.approx(expected)
    assert np.all(found["test_blind"] != pytest.approx(expected))
    fitted = restorer.fit(X)
    assert np.isfinite(found["test_risk"]).all()
    assert risk_scorer(fitted, X[:1], psf=psfs[:1]) == pytest.approx(
        risk_scorer(clone(restorer).set_params(psf=psfs[0]).fit(X[:1]), X[:1])
    )


def test_scorers_refuse_what_does_not_fit():
    restorer = WienerRestorer([[1.0]]).fit(CLEAN)
    with pytest.raises(ValueError, match="y must have the shapes of the restored"):
        psnr_scorer(restorer, CLEAN, CLEAN[..., None])
    for make in (make_psnr_scorer, make_ssim_scorer):
        for wrong in (0, -1, "255", True):
            with pytest.raises(ValueError, match="data_range must be a positive"):
                make(wrong)
    with pytest.raises(ValueError, match="data_range must be a positive"):
        psnr(CLEAN, CLEAN, data_range="255")
