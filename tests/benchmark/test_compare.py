"""Comparisons: fairness, records, budget, reproducibility."""

import time

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skdeconv import (
    BlockMatchingRestorer,
    DeconvRestorer,
    Degradation,
    NonLocalMeansRestorer,
    RichardsonLucyRestorer,
    SparseCodingRestorer,
    WienerRestorer,
)
from skdeconv.benchmark import compare
from skdeconv.benchmark._memory import PeakMemory
from skdeconv.benchmark._problem import whole_psf
from skdeconv.benchmark._run import suits
from skdeconv.datasets import make_dead_leaves
from skdeconv.degradations import GaussianNoise
from skdeconv.operators import Blur, Downsample, gaussian_psf

LEAVES = make_dead_leaves(6, shape=(56, 60), random_state=0)
TRAIN, TEST = LEAVES[:4], LEAVES[4:]
DEGRADATIONS = {
    "noise": Degradation([GaussianNoise(0.1)]),
    "blur": Degradation([Blur(gaussian_psf(1.2)), GaussianNoise(0.01)]),
}
NETWORK = DeconvRestorer(
    module__width=8, max_epochs=2, patches_per_epoch=32, patch_size=16
)
RESTORERS = {
    "Wiener": (WienerRestorer(), {"alpha": [1e-3, 1e-2, 1e-1, 1.0]}),
    "Richardson-Lucy": (RichardsonLucyRestorer(psf=None), {"max_iter": [2, 8]}),
    "network": NETWORK,
}


@pytest.fixture(scope="module")
def comparison():
    return compare(RESTORERS, DEGRADATIONS, TRAIN, test_images=TEST)


def test_records(comparison):
    methods = {(r["degradation"], r["method"]) for r in comparison.records}
    assert methods == {
        ("noise", "Input"),
        ("noise", "Wiener"),
        ("noise", "network"),
        ("blur", "Input"),
        ("blur", "Wiener"),
        ("blur", "Richardson-Lucy"),
        ("blur", "network"),
    }
    assert len(comparison.records) == 2 * len(methods)
    for record in comparison.records:
        numbers = [v for v in record.values() if isinstance(v, float)]
        assert np.isfinite(numbers).all()
        assert record["method"] != "Input" or record["gain"] == 0


def test_tuned_methods_beat_their_input(comparison):
    for mean in comparison.summary:
        if mean["method"] in ("Wiener", "Richardson-Lucy"):
            assert mean["gain"] > 0.5
            assert mean["note"]


def test_summary_has_one_best_per_degradation_and_intervals(comparison):
    for name in DEGRADATIONS:
        rows = [m for m in comparison.summary if m["degradation"] == name]
        assert [m["best"] for m in rows] == [True] + [False] * (len(rows) - 1)
        for mean in rows:
            assert mean["difference_low"] <= mean["difference"] + 1e-12
            assert mean["difference"] <= mean["difference_high"] + 1e-12
            assert mean["difference"] <= 0


def test_same_seed_same_table(comparison):
    again = compare(RESTORERS, DEGRADATIONS, TRAIN, test_images=TEST)
    for a, b in zip(comparison.records, again.records, strict=True):
        assert {k: a[k] for k in ("method", "image", "psnr", "ssim", "note")} == {
            k: b[k] for k in ("method", "image", "psnr", "ssim", "note")
        }
    other = compare(RESTORERS, DEGRADATIONS, TRAIN, test_images=TEST, random_state=1)
    assert comparison.records[0]["psnr"] != other.records[0]["psnr"]


def test_constructors_are_left_alone():
    restorer = WienerRestorer()
    compare([restorer], DEGRADATIONS, TRAIN, test_images=TEST)
    assert restorer.psf is None
    assert not hasattr(restorer, "data_range_")


def test_two_processes_and_pipelines_and_progress():
    lines = []
    pipeline = make_pipeline(WienerRestorer(alpha=0.01), WienerRestorer(alpha=0.01))
    pipeline.set_params(**{"wienerrestorer-2__psf": [[1.0]]})
    found = compare(
        {"twice": (pipeline, {"wienerrestorer-1__alpha": [1e-3, 1e-2]})},
        {"blur": DEGRADATIONS["blur"]},
        list(TRAIN),
        test_images=list(TEST),
        image_names=["one", "two"],
        n_jobs=2,
        progress=lines.append,
    )
    assert found.summary[0]["gain"] > 0.5
    assert "twice" in lines[0]
    assert {r["image"] for r in found.records} == {"one", "two"}


def test_methods_are_left_out_where_they_do_not_serve():
    assert suits(RichardsonLucyRestorer(None), np.ones(3))
    assert not suits(RichardsonLucyRestorer(None), None)
    assert suits(NonLocalMeansRestorer(), None)
    assert not suits(NonLocalMeansRestorer(), np.ones(3))
    assert suits(BlockMatchingRestorer(), None)
    assert suits(BlockMatchingRestorer(), np.ones(3))


def test_budget_bounds_tuning_and_training():
    slow = DeconvRestorer(module__width=8, max_epochs=10**6, patch_size=16)
    many = {"alpha": list(np.logspace(-4, 1, 3000))}
    start = time.perf_counter()
    found = compare(
        {"slow": slow, "many": (WienerRestorer(), many)},
        {"blur": DEGRADATIONS["blur"]},
        TRAIN,
        test_images=TEST,
        budget=1.5,
    )
    assert time.perf_counter() - start < 15
    notes = {m["method"]: m["note"] for m in found.summary}
    assert "candidates" in notes["many"]


def test_a_candidate_without_a_score_is_not_chosen():
    class Broken(WienerRestorer):
        def score(self, X, y, mask=None, psf=None):
            return np.nan if self.alpha > 1 else super().score(X, y)

    found = compare(
        {"broken": (Broken(), {"alpha": [1e3, 0.3, 1e2]})},
        {"noise": DEGRADATIONS["noise"]},
        TRAIN,
        test_images=TEST,
    )
    assert found.summary[0]["note"] == "alpha=0.3"


def test_what_has_no_part_is_not_called_chosen():
    coder = SparseCodingRestorer(patch_size=4, n_components=16)
    found = compare(
        {"sparse": (coder, {"alpha": [1e-3, 1e-2]})},
        {"noise": DEGRADATIONS["noise"]},
        TRAIN,
        test_images=TEST,
    )
    assert {record["note"] for record in found.records} == {""}


def test_volumes_signals_and_tiny_psfs():
    for ndim, shape in ((1, (3, 60)), (3, (3, 20, 18, 19))):
        scenes = np.random.default_rng(0).random(shape, dtype=np.float32)
        found = compare(
            [WienerRestorer(ndim=ndim)],
            {"noise": Degradation([GaussianNoise(0.1)], ndim=ndim)},
            scenes,
            test_images=scenes,
        )
        assert np.isfinite([r["ssim"] for r in found.records]).all()
        assert found.examples == []
    tiny = {"tiny": Degradation([Blur([[1.0]]), GaussianNoise(0.1)])}
    found = compare([WienerRestorer()], tiny, TRAIN, test_images=TEST)
    assert np.isfinite([r["border_psnr"] for r in found.records]).all()


def test_other_metrics():
    found = compare(
        [WienerRestorer()],
        {"noise": DEGRADATIONS["noise"]},
        TRAIN,
        test_images=TEST,
        metrics={"error": lambda t, p, data_range, reduction: np.ones(len(t))},
    )
    assert found.records[0]["error"] == 1
    assert "psnr" in found.records[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"restorers": []}, "at least one estimator"),
        ({"restorers": {"w": WienerRestorer}}, "estimator object"),
        ({"restorers": [WienerRestorer(), WienerRestorer()]}, "need names"),
        ({"restorers": {"Input": WienerRestorer()}}, "stands for"),
        ({"degradations": {}}, "map names"),
        ({"degradations": [DEGRADATIONS["noise"]]}, "map names"),
        ({"degradations": {"none": None}}, "Degradation objects"),
        ({"budget": 0}, "positive number of seconds"),
        ({"metrics": ["lpips"]}, "metrics must be among"),
        ({"test_images": TEST[0]}, "Reshape"),
        ({"image_names": ["one"]}, "name all 2"),
    ],
)
def test_bad_arguments(changes, message):
    arguments = {
        "restorers": [WienerRestorer()],
        "degradations": DEGRADATIONS,
        "images": TRAIN,
        "test_images": TEST,
    } | changes
    with pytest.raises(ValueError, match=message):
        compare(**arguments)


def test_text_frame_plot_and_page(comparison, tmp_path):
    text = comparison.to_text()
    assert "Richardson-Lucy" in text
    assert str(comparison) == text
    assert len(comparison.to_frame()) == len(comparison.records)
    figure = comparison.plot()
    assert len(figure.axes) == 2
    page = comparison.to_html(tmp_path / "page.html")
    assert "Richardson-Lucy" in page.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_failed_page_leaves_nothing(comparison, tmp_path):
    with pytest.raises(OSError, match="missing"):
        comparison.to_html(tmp_path / "missing" / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_psf_of_several_blurs():
    psfs = [np.array([0.3, 0.7]), np.array([0.2, 0.8]), np.array([0.1, 0.6, 0.3])]
    whole = whole_psf(Degradation([Blur(psf) for psf in psfs]))
    scene = np.random.default_rng(0).random((1, 30))
    expected, _ = Degradation([Blur(psf) for psf in psfs], ndim=1).pair(scene)
    found, _ = Degradation([Blur(whole)], ndim=1).pair(scene)
    start = int(
        np.argmin(
            [np.abs(expected[0, i : i + 20] - found[0, 3:23]).max() for i in range(7)]
        )
    )
    assert np.allclose(expected[0, start : start + 20], found[0, 3:23])


def test_peak_memory_sees_an_array():
    with PeakMemory() as memory:
        np.ones(30 * 2**20, dtype=np.uint8).sum()
    assert 25 < memory.mebibytes < 80


def test_coarse_pixels_are_refused():
    coarse = {"coarse": Degradation([Downsample(2)])}
    with pytest.raises(ValueError, match="degradations must keep the size"):
        compare({"Wiener": WienerRestorer()}, coarse, TRAIN, test_images=TEST)


def test_a_page_without_similarity(tmp_path):
    table = compare(
        {"Wiener": WienerRestorer()},
        {"noise": DEGRADATIONS["noise"]},
        TRAIN,
        test_images=TEST,
        metrics=("psnr",),
    )
    table.to_html(tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 1000
