"""The command line, as a careless user would type it."""

import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from skdeconv import WienerRestorer
from skdeconv._io import read_picture
from skdeconv.cli import main
from skdeconv.cli._restore import parse_blur, parse_fraction
from skdeconv.datasets import load_photographs, make_dead_leaves
from skdeconv.operators import gaussian_psf

GREY = np.rint(255 * make_dead_leaves(1, shape=(40, 44), random_state=0)[0]).astype(
    "u1"
)
# For what is about files: quick, and content with any PSF.
WIENER = ("--method", "WienerRestorer", "--blur", "gaussian:1")
RGB = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)


@pytest.fixture
def folder(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "grey.png", dpi=(300, 300))
    Image.fromarray(RGB).save(tmp_path / "rgb.png")
    return tmp_path


def restore(*arguments):
    return main(["restore", *map(str, arguments)])


def test_eight_bits_and_metadata(folder):
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "somebody")
    Image.fromarray(RGB).save(folder / "rgb.png", dpi=(300, 300), pnginfo=text)
    assert restore(folder / "rgb.png", "-o", folder / "out.png", *WIENER) == 0
    with Image.open(folder / "out.png") as image:
        assert image.mode == "RGB"
        assert image.size == (44, 40)
        assert round(image.info["dpi"][0]) == 300
        assert image.info["Author"] == "somebody"
        assert not np.array_equal(np.asarray(image), RGB)


@pytest.mark.parametrize(
    ("given", "method"),
    [([], "PretrainedDenoiser"), (["--blur", "disk:1.2"], "PlugAndPlayRestorer")],
)
def test_the_best_without_training_is_the_default(folder, given, method):
    given = [folder / "grey.png", "--noise", "5/255", *given]
    assert restore(*given, "-o", folder / "a.png") == 0
    assert restore(*given, "-o", folder / "b.png", "--method", method) == 0
    first, second = (read_picture(folder / f"{n}.png").pixels for n in "ab")
    assert np.array_equal(first, second)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits(folder, suffix):
    pixels = GREY.astype(np.uint16) * 257
    source, target = folder / f"deep.{suffix}", folder / f"out.{suffix}"
    if suffix == "png":
        Image.fromarray(pixels).save(source)
    else:
        tifffile.imwrite(source, pixels, description="a cell", resolution=(5, 7))
    assert restore(source, "-o", target, *WIENER) == 0
    restored = read_picture(target)
    assert restored.pixels.dtype == np.uint16
    assert restored.pixels.shape == GREY.shape
    assert restored.pixels.max() > 1000
    if suffix == "tif":
        with tifffile.TiffFile(target) as file:
            assert file.pages[0].description == "a cell"
            assert file.pages[0].tags["YResolution"].value[0] == 7


def test_float_tiff_keeps_its_range(folder):
    tifffile.imwrite(folder / "x.tif", GREY.astype(np.float32) / 255)
    assert restore(folder / "x.tif", "-o", folder / "y.tif", "--noise", "10/255") == 0
    restored = tifffile.imread(folder / "y.tif")
    assert restored.dtype == np.float32
    assert 0.5 < restored.max() < 1.3


def test_range_of_floats_is_told(folder, capsys):
    noisy = GREY + np.random.default_rng(0).normal(0, 20, GREY.shape)
    for name, scale in (("a", 1), ("b", 255)):
        tifffile.imwrite(folder / f"{name}.tif", noisy.astype(np.float32) / scale)
        options = ("--noise", "20/255", "--data-range", 255 // scale)
        out = folder / f"{name}-out.tif"
        assert restore(folder / f"{name}.tif", "-o", out, *options) == 0
    whole, part = (tifffile.imread(folder / f"{name}-out.tif") for name in "ab")
    assert np.allclose(whole, 255 * part, atol=1e-2)
    assert "range" not in capsys.readouterr().err
    assert restore(folder / "a.tif", "-o", folder / "c.tif", "--noise", "0.08") == 0
    told = capsys.readouterr().err
    assert told.count("Pass --data-range") == 1
    assert str(folder / "a.tif") in told


def test_opacity_is_kept(folder):
    alpha = np.full(GREY.shape, 77, np.uint8)
    for name, array in (
        ("rgba", np.dstack([RGB, alpha])),
        ("la", np.dstack([GREY, alpha])),
    ):
        Image.fromarray(array).save(folder / f"{name}.png")
        out = folder / f"{name}-out.png"
        assert restore(folder / f"{name}.png", "-o", out, *WIENER) == 0
        with Image.open(out) as image:
            assert np.array_equal(np.asarray(image)[..., -1], alpha)
            assert np.asarray(image).shape == array.shape


def test_a_colour_that_is_transparent_is_kept(folder):
    for name, array in (("grey", GREY), ("rgb", RGB)):
        key = array[3, 4].tolist()
        clear = (array == array[3, 4]).reshape(*GREY.shape, -1).all(-1)
        key = key if name == "grey" else tuple(key)
        Image.fromarray(array).save(folder / f"{name}-key.png", transparency=key)
        out = folder / f"{name}-out.png"
        assert restore(folder / f"{name}-key.png", "-o", out, *WIENER) == 0
        with Image.open(out) as image:
            assert np.array_equal(np.asarray(image)[..., -1] == 0, clear)


@pytest.mark.parametrize("name", ["out.gif", "out.bmp", "out.jpg", "out.ppm"])
def test_opacity_is_not_lost(folder, name, capsys):
    Image.fromarray(np.dstack([GREY, GREY])).save(folder / "la.png")
    assert restore(folder / "la.png", "-o", folder / name, *WIENER) == 1
    assert "has no opacity" in capsys.readouterr().err
    assert not (folder / name).exists()


@pytest.mark.parametrize("name", ["moving.gif", "moving.png", "moving.webp"])
def test_animations_are_refused(folder, name, capsys):
    frames = [Image.fromarray(np.roll(RGB, i, 0)) for i in range(3)]
    frames[0].save(folder / name, save_all=True, append_images=frames[1:])
    assert restore(folder / name, "-o", folder / "out.png", *WIENER) == 1
    assert "3 frames" in capsys.readouterr().err


def test_pages_of_different_sizes_are_refused(folder, capsys):
    with tifffile.TiffWriter(folder / "pages.tif") as file:
        file.write(GREY)
        file.write(GREY[:20])
    assert restore(folder / "pages.tif", "-o", folder / "out.tif", *WIENER) == 1
    assert "pages are of different kinds" in capsys.readouterr().err


def test_pages_that_were_written_apart_are_all_read(folder):
    with tifffile.TiffWriter(folder / "pages.tif") as file:
        for i in range(3):
            file.write(np.roll(GREY, i, 0), contiguous=False)
    pixels = read_picture(folder / "pages.tif").pixels
    assert np.array_equal(pixels, [np.roll(GREY, i, 0) for i in range(3)])


def test_smaller_copies_in_a_pyramid_are_left_out(folder):
    with tifffile.TiffWriter(folder / "pyramid.tif") as file:
        file.write(GREY)
        file.write(GREY[::2, ::2], subfiletype=1)
    assert np.array_equal(read_picture(folder / "pyramid.tif").pixels, GREY)


def test_several_files_into_a_folder(folder, capsys):
    (folder / "broken.png").write_bytes(b"not an image")
    status = restore(
        folder / "grey.png",
        folder / "broken.png",
        folder / "missing.png",
        folder / "rgb.png",
        "-o",
        folder / "out",
        *WIENER,
    )
    assert status == 1
    errors = capsys.readouterr().err
    assert "broken.png" in errors
    assert "missing.png" in errors
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["grey.png", "rgb.png"]


def test_folders_in_the_place_of_files(folder, capsys):
    assert restore(folder, "-o", folder / "out") == 1
    assert "*.png" in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_a_wrong_call_is_told_before_a_file_in_the_way(folder, capsys):
    grey = folder / "grey.png"
    assert restore(grey, "-o", grey, "--method", "Magic") == 2
    assert "--method" in capsys.readouterr().err
    np.save(folder / "psf.npy", np.ones((3, 3, 3)) / 27)
    assert restore(grey, "-o", folder / "o.png", "--psf", folder / "psf.npy") == 1
    assert "3 axes" in capsys.readouterr().err


def test_nothing_is_overwritten_by_accident(folder, capsys):
    kept = (folder / "grey.png").read_bytes()
    call = (folder / "grey.png", "-o", folder / "grey.png", *WIENER)
    assert restore(*call) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (folder / "grey.png").read_bytes() == kept
    assert restore(*call, "--overwrite") == 0
    assert (folder / "grey.png").read_bytes() != kept


def test_a_failed_write_leaves_nothing(folder, monkeypatch, capsys):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    status = restore(folder / "grey.png", "-o", folder / "out.png", *WIENER)
    assert status == 1
    assert "No space left" in capsys.readouterr().err
    assert sorted(p.name for p in folder.iterdir()) == ["grey.png", "rgb.png"]


@pytest.mark.parametrize("kind", ["npy", "NPY", "txt", "png", "bmp"])
def test_psf_files(folder, kind):
    psf = gaussian_psf(1)
    path = folder / f"psf.{kind}"
    if kind.lower() == "npy":
        with open(path, "wb") as file:
            np.save(file, psf)
    elif kind == "txt":
        np.savetxt(path, psf)
    else:
        picture = np.rint(255 * psf / psf.max()).astype(np.uint8)
        colour = np.stack([picture] * 3, axis=-1)
        Image.fromarray(picture if kind == "png" else colour).save(path)
    out = folder / "out.png"
    call = ("--psf", path, "--method", "RichardsonLucyRestorer", "--set", "max_iter=3")
    assert restore(folder / "grey.png", "-o", out, *call) == 0


def test_psf_of_a_volume(folder):
    psf = gaussian_psf(0.6, ndim=3)
    tifffile.imwrite(folder / "psf.tif", psf.astype("f4"), photometric="minisblack")
    volume = np.stack([np.roll(GREY, i, 0) for i in range(9)])
    tifffile.imwrite(folder / "volume.tif", volume, photometric="minisblack")
    call = ("--psf", folder / "psf.tif", "--method", "WienerRestorer")
    call = (*call, "--set", "alpha=0.1")
    assert restore(folder / "volume.tif", "-o", folder / "out.tif", *call) == 0
    restored = WienerRestorer(psf, alpha=0.1).fit(volume[None]).predict(volume[None])[0]
    assert np.abs(tifffile.imread(folder / "out.tif") - restored).max() <= 1


def test_psfs_that_are_none_for_pictures(folder, capsys):
    np.save(folder / "row.npy", np.ones(3) / 3)
    Image.fromarray(RGB).save(folder / "colours.png")
    for name, words in (("row.npy", "two axes or three"), ("colours.png", "colours")):
        call = ("--psf", folder / name)
        assert restore(folder / "grey.png", "-o", folder / "out.png", *call) == 2
        assert words in capsys.readouterr().err


def test_unrolled_turns_are_trained_for_the_blur(folder, monkeypatch):
    images = list(255 * make_dead_leaves(2, shape=(48, 48), random_state=0))
    monkeypatch.setattr("skdeconv.cli._restore.default_training_images", lambda: images)
    settings = ("max_epochs=1", "patches_per_epoch=8", "max_iter=2", "patch_size=24")
    call = ("--method", "UnrolledRestorer", "--noise", "2/255", "--blur", "gaussian:1")
    out = folder / "out.png"
    assert restore(folder / "rgb.png", "-o", out, *call, "--set", *settings) == 0
    sharper = [
        np.abs(np.diff(read_picture(p).pixels.astype(float), axis=0)).mean()
        for p in (out, folder / "rgb.png")
    ]
    assert sharper[0] > 1.05 * sharper[1]


def test_compressed_and_broken_tiffs(folder, capsys):
    Image.fromarray(GREY).save(folder / "lzw.tif", compression="tiff_lzw")
    tifffile.imwrite(folder / "zip.tif", GREY, compression="zlib")
    whole = (folder / "zip.tif").read_bytes()
    (folder / "cut.tif").write_bytes(whole[: len(whole) // 2])
    names = [folder / name for name in ("cut.tif", "lzw.tif", "zip.tif")]
    assert restore(*names, "-o", folder / "out", *WIENER) == 1
    assert "cut.tif: cannot be read" in capsys.readouterr().err
    for name in ("lzw.tif", "zip.tif"):
        assert read_picture(folder / "out" / name).pixels.shape == GREY.shape


def test_pages_are_restored_one_by_one(folder):
    tifffile.imwrite(
        folder / "pages.tif", np.stack([GREY] * 3), photometric="minisblack"
    )
    assert restore(folder / "pages.tif", "-o", folder / "out.tif", *WIENER) == 0
    assert tifffile.imread(folder / "out.tif").shape == (3, *GREY.shape)


@pytest.mark.parametrize(
    "method", ["DeconvRestorer", "AdversarialRestorer", "VariationalRestorer"]
)
def test_network_is_trained_for_the_degradation(folder, monkeypatch, method):
    images = list(255 * make_dead_leaves(2, shape=(32, 32), random_state=0))
    monkeypatch.setattr("skdeconv.cli._restore.default_training_images", lambda: images)
    out = folder / "out.png"
    settings = (
        "max_epochs=1",
        "patches_per_epoch=16",
        "module__width=8",
        "patch_size=16",
    )
    call = ("--method", method, "--noise", "25/255", "--set", *settings)
    assert restore(folder / "rgb.png", "-o", out, *call) == 0
    with Image.open(out) as image:
        assert image.mode == "RGB"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "Magic"], "--method must be one of"),
        (["--method", "BaseRestorer"], "--method must be one of"),
        (["--method", "RichardsonLucyRestorer"], "needs --psf or --blur"),
        (["--method", "DeconvRestorer"], "needs --noise"),
        (["--method", "MedianRestorer", "--blur", "gaussian:1"], "only denoises"),
        (["--blur", "box:3"], "--blur must be"),
        (["--blur", "gaussian:wide"], "--blur must be"),
        (["--blur", "gaussian:-1"], "std must be"),
        (["--blur", "gaussian:1e9"], "at most 1000 pixels"),
        (["--blur", "motion:nan"], "--blur must be"),
        (["--psf", "nowhere.npy"], "no such file"),
        (["--noise", "25"], "--noise must be a fraction"),
        (["--data-range", "0"], "--data-range must be"),
        (["--set", "data_range=255"], "use --data-range"),
        (
            "--method RichardsonLucyRestorer --blur gaussian:1 --noise 0.1".split(),
            "takes no --noise",
        ),
        (["--blur", "gaussian:1", "--set", "alpha"], "NAME=VALUE"),
        (["--blur", "gaussian:1", "--set", "aplha=1"], "has no 'aplha'; it has"),
        (["--blur", "gaussian:1", "--set", "psf=3"], "use --psf or --blur"),
        (["--blur", "gaussian:1", "--set", "max_iter=0"], "--set: The 'max_iter'"),
        (["-o", "nowhere/out.png", "--blur", "gaussian:1"], "no folder nowhere"),
    ],
)
def test_wrong_calls(folder, arguments, message, capsys):
    assert restore(folder / "grey.png", "-o", folder / "out.png", *arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["out.jpg", "out.xyz", "out.psd", "out"])
def test_types_that_cannot_hold_the_pixels(folder, name, capsys):
    Image.fromarray(GREY.astype(np.uint16) * 257).save(folder / "deep.png")
    (folder / "out").write_text("in the way")
    assert restore(folder / "deep.png", "-o", folder / name, *WIENER) > 0
    assert capsys.readouterr().err


def test_fractions_and_blurs():
    assert parse_fraction("25/255") == pytest.approx(25 / 255)
    assert parse_fraction("0.1") == 0.1
    assert parse_fraction("0") == 0
    for text in ("1/0", "2", "-0.1", "a", "1/2/3"):
        with pytest.raises(ValueError, match="fraction"):
            parse_fraction(text)
    assert parse_blur("motion:9:45").shape[0] > 3


def test_benchmark_of_a_folder(tmp_path, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    photographs = load_photographs("test", color=True).images
    Image.fromarray(photographs[0][:150, :140]).save(pictures / "a.png")
    Image.fromarray(photographs[1][:90, :80]).save(pictures / "b.jpg")
    tifffile.imwrite(
        pictures / "c.tif", photographs[2][:80, :70, 0].astype(np.uint16) * 257
    )
    (pictures / "d.png").write_bytes(b"broken")
    (pictures / "notes.txt").write_text("no image")
    Image.fromarray(GREY).save(pictures / "tiny.png")
    status = main(
        [
            "benchmark",
            "--quick",
            "--images",
            str(pictures),
            "--restorers",
            "WienerRestorer",
            "RichardsonLucyRestorer",
            "--output",
            str(tmp_path / "page.html"),
        ]
    )
    out, err = capsys.readouterr()
    assert status == 0
    assert "RichardsonLucyRestorer" in out
    for name in ("d.png", "notes.txt", "tiny.png"):
        assert f"skipped {name}" in err
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "b.jpg" in page
    assert "c.tif" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "nowhere"], "must be a folder"),
        (["--restorers", "Magic"], "must be among"),
        (["--output", "nowhere/page.html"], "no folder"),
        (["--output", "."], "is a folder"),
    ],
)
def test_wrong_benchmarks_fail_at_once(
    arguments, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(["benchmark", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_module_and_version():
    run = [sys.executable, "-m", "skdeconv", "--version"]
    out = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert out.startswith("skdeconv 0.")


def test_warnings_are_plain_words(folder):
    broken = np.tile(GREY, (2, 2))
    broken[::9, ::9] = 255
    Image.fromarray(broken).save(folder / "hot.png")
    run = [sys.executable, "-m", "skdeconv", "restore", str(folder / "hot.png")]
    run += ["-o", str(folder / "sharp.png"), "--method", "WienerRestorer"]
    run += ["--blur", "gaussian:1"]
    told = subprocess.run(run, capture_output=True, text=True, check=True).stderr
    assert told.startswith(f"skdeconv: {folder / 'hot.png'}: ")
    assert told.count("Pass a mask") == 1
    assert ".py" not in told


@pytest.mark.parametrize("shape", [(1, 1), (120, 3), (30, 4)])
def test_narrow_grey_pictures(folder, shape):
    Image.fromarray(np.full(shape, 7, np.uint8)).save(folder / "narrow.png")
    out = folder / "narrow_out.png"
    assert restore(folder / "narrow.png", "-o", out, "--method", "WaveletRestorer") == 0
    np.testing.assert_array_equal(np.asarray(Image.open(out)), np.full(shape, 7))


def test_grey_pictures_in_three_channels(folder):
    noise = np.random.default_rng(0).normal(0, 20, (64, 64))
    grey = (128 + noise).round().clip(0, 255).astype(np.uint8)
    outputs = []
    for name, pixels in (("one", grey), ("three", np.stack([grey] * 3, axis=-1))):
        Image.fromarray(pixels).save(folder / f"{name}.png")
        source, target = folder / f"{name}.png", folder / f"{name}_out.png"
        assert restore(source, "-o", target, "--method", "WaveletRestorer") == 0
        outputs.append(np.asarray(Image.open(target)))
    one, three = outputs
    np.testing.assert_array_equal(three, np.stack([one] * 3, axis=-1))


def test_settings_add_up(folder, capsys):
    call = [folder / "grey.png", "-o", folder / "out.png", *WIENER]
    settings = ["--set", "boundary=periodic", "--set", "alpha=none"]
    assert restore(*call, *settings) != 0
    assert "alpha" in capsys.readouterr().err
    settings = ["--set", "boundary=none", "--set", "alpha=0.1"]
    assert restore(*call, *settings) != 0
    assert "boundary" in capsys.readouterr().err
