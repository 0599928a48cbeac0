"""Images that lie on disk."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image, ImageOps
from sklearn.model_selection import cross_val_score

from skdeconv import DeconvRestorer, Degradation, WienerRestorer
from skdeconv._io import ImageFile, _recent, read_picture
from skdeconv.datasets import make_dead_leaves
from skdeconv.degradations import GaussianNoise

CLEAN = (255 * make_dead_leaves(4, shape=(24, 28), random_state=0)).astype(np.uint8)
NOISY = np.clip(CLEAN + np.random.default_rng(0).normal(0, 25, CLEAN.shape), 0, 255)
NOISY = NOISY.astype(np.uint8)
SMALL = {"module__width": 4, "max_epochs": 1, "patches_per_epoch": 16, "patch_size": 8}
SMALL |= {"random_state": 0, "precision": "float32"}


@pytest.fixture
def files(tmp_path):
    def save(name, images):
        paths = []
        for i, image in enumerate(images):
            paths.append(tmp_path / f"{name}{i}.png")
            Image.fromarray(image).save(paths[-1])
        return paths

    return save("noisy", NOISY), list(map(str, save("clean", CLEAN)))


def test_files_are_as_good_as_arrays(files):
    noisy, clean = files
    for restorer in (WienerRestorer([[1.0]]), DeconvRestorer(**SMALL)):
        restored = restorer.fit(noisy, clean).predict(noisy)
        score = restorer.score(noisy, clean)
        expected = restorer.fit(list(NOISY), list(CLEAN)).predict(list(NOISY))
        assert np.array_equal(restored, expected)
        assert score == restorer.score(list(NOISY), list(CLEAN))
    scores = cross_val_score(WienerRestorer([[1.0]], alpha=0.1), noisy, clean, cv=2)
    assert np.isfinite(scores).all()
    degradation = Degradation([GaussianNoise(25)], random_state=0)
    assert DeconvRestorer(**SMALL, degradation=degradation).fit(clean).n_iter_ == 1


def test_memory_is_constant(files, monkeypatch):
    monkeypatch.setattr("skdeconv._io.REMEMBERED", CLEAN[0].nbytes * 2)
    noisy, clean = files
    DeconvRestorer(**SMALL).fit(noisy, clean)
    assert len(_recent.files) <= 2
    assert _recent.bytes == sum(pixels.nbytes for pixels in _recent.files.values())


def test_mapped_arrays_stay_on_disk(tmp_path):
    np.save(tmp_path / "clean.npy", CLEAN)
    np.save(tmp_path / "one.npy", CLEAN[0])
    mapped = np.load(tmp_path / "clean.npy", mmap_mode="r")
    options = SMALL | {"degradation": Degradation([GaussianNoise(25)])}
    a = DeconvRestorer(**options).fit(mapped).predict(CLEAN)
    assert np.array_equal(a, DeconvRestorer(**options).fit(CLEAN).predict(CLEAN))
    one = np.asarray(ImageFile(tmp_path / "one.npy"))
    assert np.array_equal(one, CLEAN[0])


def test_bad_files_are_named(tmp_path, files):
    def fit(path):
        WienerRestorer([[1.0]]).fit([files[0][0], path])

    with pytest.raises(FileNotFoundError, match=r"none\.png: no such file"):
        fit(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.png"):
        fit(tmp_path / "text.png")
    tifffile.imwrite(tmp_path / "nan.tif", np.full((8, 8), np.nan, "f4"))
    with pytest.raises(ValueError, match=r"nan\.tif holds NaN"):
        fit(tmp_path / "nan.tif")
    np.save(tmp_path / "text.npy", np.array(["a"]))
    with pytest.raises(ValueError, match=r"text\.npy"):
        fit(tmp_path / "text.npy")
    with pytest.raises(ValueError, match="array or a list of arrays or file names"):
        WienerRestorer([[1.0]]).fit("photo.png")
    changing = tmp_path / "changing.png"
    Image.fromarray(CLEAN[0]).save(changing)
    image = ImageFile(changing)
    Image.fromarray(CLEAN[0][:5]).save(changing)
    with pytest.raises(ValueError, match="not the image any more"):
        np.asarray(image)


def test_a_file_is_read_again_where_it_has_changed(tmp_path, monkeypatch):
    path = tmp_path / "photo.png"
    restorer = WienerRestorer([[1.0]], alpha=0.1).fit(CLEAN)
    for image in (CLEAN[0], CLEAN[1], CLEAN[1][:9]):
        Image.fromarray(image).save(path)
        assert np.array_equal(
            restorer.predict([path])[0], restorer.predict(image[None])[0]
        )
    (tmp_path / "below").mkdir()
    Image.fromarray(CLEAN[2]).save(tmp_path / "below" / "photo.png")
    for folder, image in ((tmp_path, CLEAN[1][:9]), (tmp_path / "below", CLEAN[2])):
        monkeypatch.chdir(folder)
        assert np.array_equal(np.asarray(ImageFile("photo.png")), image)


def test_pages_are_no_colours(tmp_path):
    pages = np.full((6, 20, 28), 7, np.uint8)
    tifffile.imwrite(tmp_path / "pages.tif", pages, photometric="minisblack")
    np.save(tmp_path / "stack.npy", np.ones((6, 9, 8)))
    for name in ("pages.tif", "stack.npy"):
        with pytest.raises(ValueError, match=f"{name} holds a stack of shape"):
            WienerRestorer([[1.0]]).fit([tmp_path / name])
    volume = WienerRestorer([[[1.0]]]).fit([tmp_path / "pages.tif"])
    assert volume.n_channels_ == 1


def test_names_in_arrays_and_tables(files):
    names = [str(name) for name in files[0]]
    restorer = WienerRestorer([[1.0]], alpha=0.1).fit(NOISY)
    expected = restorer.predict(names)
    for kind in (np.array, pd.Series):
        restored = restorer.predict(kind(names))
        assert all(map(np.array_equal, restored, expected))
    with pytest.raises(ValueError, match="a mixture of them"):
        restorer.predict([names[0], NOISY[0]])
    for alone in (files[0][0], iter(names)):
        with pytest.raises(ValueError, match="list of arrays or file names, got"):
            restorer.predict(alone)


def test_palettes_negatives_and_inks_of_tiff(tmp_path):
    grey = np.arange(1200, dtype=np.uint8).reshape(30, 40)
    colours = np.stack([grey, grey[::-1], grey[:, ::-1]], axis=-1)
    palette = Image.fromarray(colours).quantize(256)
    palette.save(tmp_path / "palette.tif")
    read = read_picture(tmp_path / "palette.tif")
    assert np.array_equal(read.pixels, np.asarray(palette.convert("RGB")))
    tifffile.imwrite(tmp_path / "white.tif", 255 - grey, photometric="miniswhite")
    assert np.array_equal(read_picture(tmp_path / "white.tif").pixels, grey)
    inks = Image.fromarray(colours).convert("CMYK")
    inks.save(tmp_path / "inks.tif")
    read = read_picture(tmp_path / "inks.tif")
    assert np.array_equal(read.pixels, np.asarray(inks.convert("RGB")))
    assert read.alpha is None
    tifffile.imwrite(tmp_path / "lab.tif", colours, photometric="cielab")
    with pytest.raises(ValueError, match="colours are CIELAB; save it as RGB"):
        read_picture(tmp_path / "lab.tif")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_tiff_is_turned_upright(tmp_path, orientation, mode):
    pixels = np.arange(24 * 3, dtype=np.uint8).reshape(4, 6, 3)
    image = Image.fromarray(pixels).convert(mode)
    image.save(tmp_path / "x.tif", tiffinfo={0x112: orientation})
    image.getexif()[0x112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(read_picture(tmp_path / "x.tif").pixels, upright)


def test_signed_pixels_keep_their_sign(tmp_path):
    low = np.array([[-1000, 5], [7, 70000]], np.int32)
    Image.fromarray(low).save(tmp_path / "signed.tif", compression="tiff_lzw")
    assert np.array_equal(read_picture(tmp_path / "signed.tif").pixels, low)


@pytest.mark.parametrize("bands", [2, 4, 5])
def test_bands_are_no_opacity(tmp_path, bands):
    pixels = np.zeros((6, 7, bands), np.uint8)
    tifffile.imwrite(
        tmp_path / "bands.tif",
        pixels,
        photometric="rgb" if bands == 4 else "minisblack",
        planarconfig="contig",
        extrasamples=["unspecified"] * (bands - 3 if bands == 4 else bands - 1),
    )
    with pytest.raises(ValueError, match=f"has {bands} bands"):
        read_picture(tmp_path / "bands.tif")


def test_deep_files_that_would_lose_bits(tmp_path):
    deep = np.arange(36, dtype=">u2").reshape(3, 4, 3)
    header = b"P6\n# a comment\n4 3\n65535\n"
    (tmp_path / "deep.ppm").write_bytes(header + deep.tobytes())
    with pytest.raises(ValueError, match="a PPM with 16 bits per colour"):
        read_picture(tmp_path / "deep.ppm")
    (tmp_path / "plain.ppm").write_bytes(b"P6 4 3 255 " + bytes(36))
    assert read_picture(tmp_path / "plain.ppm").pixels.shape == (3, 4, 3)
    tifffile.imwrite(tmp_path / "negative.tif", deep[..., 0], photometric="miniswhite")
    with pytest.raises(ValueError, match="MINISWHITE"):
        read_picture(tmp_path / "negative.tif")
