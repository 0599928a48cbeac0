"""``skdeconv restore``."""

import ast
import inspect
import re
import sys
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import skdeconv
from skdeconv._images import check_images
from skdeconv._io import read_picture
from skdeconv._params import check_parameters
from skdeconv._ranges import check_data_range, resolve_data_range
from skdeconv.benchmark import default_training_images
from skdeconv.cli._io import check_writable, write_picture
from skdeconv.degradations import Degradation, GaussianNoise
from skdeconv.operators import Blur, airy_psf, disk_psf, gaussian_psf, motion_psf
from skdeconv.operators._psf import check_psf

BLURS = {
    "gaussian": (gaussian_psf, 1),
    "disk": (disk_psf, 1),
    "motion": (motion_psf, 2),
    "airy": (airy_psf, 1),
}
# Parameters that have an option of their own, or follow from the file.
OWN = {
    "psf": "--psf or --blur",
    "noise_std": "--noise",
    "degradation": "--blur and --noise",
    "data_range": "--data-range",
}
# Pixels of a standard deviation, a radius or a length, beyond which it is a slip.
WIDEST = 1000
# Differences of colours, as a part of the largest value, that are still grey.
GREY = 0.05
# Seconds for which a network is trained on the embedded photographs.
TRAINING_TIME = 120


def run_restore(arguments) -> int:
    """Restore files one by one; a file that fails does not stop the others."""
    psf = _psf(arguments)
    noise = None if arguments.noise is None else parse_fraction(arguments.noise)
    if arguments.data_range is not None:
        check_data_range(arguments.data_range, "--data-range")
    kind, given = _choice(arguments, psf, noise)
    pairs = _outputs(arguments)
    pictures, failed = {}, 0
    for source, target in pairs:
        # Found out before a network is trained for minutes.
        problem = _refusal(source, target, arguments.overwrite)
        if problem:
            print(f"skdeconv: {source}: {problem}", file=sys.stderr)
            failed += 1
        else:
            pictures[source] = target
    if pictures:
        restorer = _built(kind, given, psf, noise)
    for source, target in pictures.items():
        start = time.perf_counter()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with _told_once(source):
                _restore_file(restorer, source, target, noise, arguments.data_range)
        except (ValueError, OSError, MemoryError) as error:
            problem = _in_options(str(error)) or "there is not enough memory for it"
            print(f"skdeconv: {source}: {problem}", file=sys.stderr)
            failed += 1
        else:
            print(f"{source} -> {target} ({time.perf_counter() - start:.1f} s)")
    return 1 if failed else 0


@contextmanager
def _told_once(source):
    """Print the warnings of a file, of whichever method, once and in plain words."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            for words in dict.fromkeys(str(warning.message) for warning in told):
                print(f"skdeconv: {source}: {_in_options(words)}", file=sys.stderr)


def _in_options(words):
    """Say which option to pass where a message names a parameter."""
    return re.sub(
        r"\b([Pp]ass )(data_range|noise_std)\b", lambda m: m[1] + OWN[m[2]], words
    )


def _refusal(source, target, overwrite):
    if source.is_dir():
        return f"a folder; give its files, such as {source / '*.png'}"
    if not source.is_file():
        return "no such file"
    if target.exists() and not overwrite:
        return f"{target} exists; pass --overwrite to replace it"
    return None


def parse_fraction(text: str) -> float:
    """Read ``0.1`` or ``25/255``."""
    try:
        numbers = [float(part) for part in text.split("/")]
        value = numbers[0] / numbers[1] if len(numbers) == 2 else numbers[0]
        if len(numbers) > 2 or not 0 <= value < 1:
            raise ValueError
    except (ValueError, ZeroDivisionError):
        raise ValueError(
            "--noise must be a fraction of the range, from 0 to less than 1, such as "
            f"0.1 or 25/255, got {text!r}."
        ) from None
    return value


def parse_blur(text: str) -> np.ndarray:
    """Read ``gaussian:1.6``, ``disk:3``, ``motion:11:30`` or ``airy:2.5``."""
    kind, *sizes = text.split(":")
    try:
        generator, most = BLURS[kind]
        numbers = [float(size) for size in sizes]
        if not 1 <= len(numbers) <= most or not abs(numbers[0]) <= WIDEST:
            raise ValueError
    except (KeyError, ValueError):
        raise ValueError(
            "--blur must be gaussian:STD, disk:RADIUS, motion:LENGTH:ANGLE or "
            f"airy:RADIUS, of at most {WIDEST} pixels, got {text!r}."
        ) from None
    return generator(*numbers)


def _psf(arguments):
    if arguments.blur is not None:
        return parse_blur(arguments.blur)
    if arguments.psf is None:
        return None
    path = Path(arguments.psf)
    suffix = path.suffix.lower()
    try:
        if suffix == ".npy":
            psf = np.load(path, allow_pickle=False)
        elif suffix in (".txt", ".csv"):
            psf = np.loadtxt(path, delimiter="," if suffix == ".csv" else None)
        else:
            psf = _flat(read_picture(path).pixels)
        psf = check_psf(psf)
        if psf.ndim == 1:
            raise ValueError(f"psf must have two axes or three, got shape {psf.shape}")
    except FileNotFoundError:
        raise ValueError(f"--psf: {path}: no such file") from None
    except (ValueError, OSError) as error:
        raise ValueError(f"--psf: {path}: {error}") from error
    return psf


def _flat(pixels):
    """Take a picture of a PSF as grey, and pages as those of a volume."""
    pixels = pixels.astype(float)
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        flat = pixels.mean(axis=2)
        if np.abs(pixels - flat[..., None]).max() > GREY * flat.max():
            raise ValueError("has colours that differ; give one PSF in grey")
        return flat
    return pixels


def _choice(arguments, psf, noise):
    """The restorer that is asked for and its parameters; nothing given is ignored."""
    name = arguments.method or (
        "PretrainedDenoiser" if psf is None else "PlugAndPlayRestorer"
    )
    known = [n for n in skdeconv.__all__ if n.endswith(("Restorer", "Denoiser"))]
    for other in ("BaseRestorer", "EnsembleRestorer"):
        known.remove(other)
    if name not in known:
        raise ValueError(f"--method must be one of {', '.join(known)}, got {name!r}.")
    kind = getattr(skdeconv, name)
    accepted = inspect.signature(kind).parameters
    given = dict(_setting(text) for text in arguments.set)
    if not any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
        names = [n for n in accepted if n not in OWN]
        for unknown in [n for n in given if n not in names]:
            raise ValueError(
                f"--set: {name} has no {unknown!r}; it has {', '.join(names)}."
            )
    if "degradation" in accepted:
        if noise is None:
            raise ValueError(f"{name} needs --noise to be trained for it.")
        return kind, given
    if psf is not None and "psf" not in accepted:
        raise ValueError(
            f"{name} only denoises and takes no --psf or --blur; take another --method."
        )
    needs_psf = "psf" in accepted and accepted["psf"].default is inspect.Parameter.empty
    if psf is None and needs_psf:
        raise ValueError(f"{name} needs --psf or --blur.")
    if noise is not None and "noise_std" not in accepted:
        raise ValueError(
            f"{name} takes no --noise; set its strength with --set, or take another "
            "--method."
        )
    return kind, given


def _built(kind, given, psf, noise):
    """Make the restorer; networks are trained."""
    if "degradation" in inspect.signature(kind).parameters:
        return _trained(kind, psf, noise, given)
    if psf is not None:
        given["psf"] = psf
    try:
        restorer = kind(**given)
        check_parameters(restorer)
    except (TypeError, ValueError) as error:
        raise ValueError(f"--set: {error}") from None
    return restorer


def _setting(text):
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set takes NAME=VALUE, got {text!r}.")
    if name in OWN:
        raise ValueError(f"--set cannot set {name}: use {OWN[name]}.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _trained(kind, psf, noise, given):
    """Train a network on the embedded photographs for this very degradation."""
    steps = [] if psf is None else [Blur(psf)]
    degradation = Degradation([*steps, GaussianNoise(noise)])
    options = {"max_epochs": 20, "random_state": 0}
    if kind is skdeconv.DeconvRestorer:
        options |= {"criterion": "l1", "lr": 2e-3}
    if kind is skdeconv.UnrolledRestorer:  # which knows the blur, and learns the rest
        options["psf"] = psf
    options |= {"max_time": TRAINING_TIME, "data_range": 1.0} | given
    print(f"Training for up to {options['max_time']} s ...", flush=True)
    images = [image / 255 for image in default_training_images()]
    return kind(degradation=degradation, **options).fit(images)


def _outputs(arguments):
    """Pair inputs with outputs; nothing is overwritten by accident."""
    sources = [Path(source) for source in arguments.inputs]
    output = Path(arguments.output)
    if len(sources) == 1 and not output.is_dir() and output.suffix:
        if not output.parent.is_dir():
            raise ValueError(f"--output: there is no folder {output.parent}.")
        return [(sources[0], output)]
    if output.is_file() or (output.suffix and not output.is_dir()):
        raise ValueError(f"--output must be a folder for several inputs, got {output}.")
    targets = [output / source.name for source in sources]
    if len(set(targets)) < len(targets):
        raise ValueError("two inputs have the same name; restore them one by one.")
    return list(zip(sources, targets, strict=True))


def _restore_file(restorer, source, target, noise, data_range):
    picture = read_picture(source)
    check_writable(target, picture)
    restored = _restored(restorer, picture.pixels, noise, data_range)
    write_picture(target, picture.with_pixels(restored))


def _restored(restorer, pixels, noise, data_range):
    ndim = restorer._n_spatial()
    if pixels.ndim < ndim:
        raise ValueError(
            f"images must have {ndim} axes, as the PSF or ndim says, but this one is "
            f"of shape {pixels.shape}"
        )
    colour = pixels.ndim > ndim and pixels.shape[-1] == 3
    stacked = pixels.ndim == ndim + 1 + colour
    X = pixels if stacked else pixels[None]
    if X.ndim == ndim + 2 and X.shape[-1] == 1:
        X = X[..., 0]
    if ndim == 2 and X.ndim == 3 and X.shape[-1] <= 4:
        X = X[..., None]  # narrow, and not colours
    images = check_images(X, ndim=ndim)
    data_range = resolve_data_range(data_range, images)
    if hasattr(restorer, "net_"):
        restored = (
            _by_channel(restorer, X / np.float32(data_range), colour) * data_range
        )
    else:
        options = {"data_range": data_range}
        if noise is not None:
            options["noise_std"] = noise * data_range
        restored = restorer.set_params(**options).fit(X).predict(X)
    return restored.reshape(pixels.shape)


def _by_channel(restorer, X, colour):
    if not colour:
        return restorer.predict(X)
    channels = [restorer.predict(X[..., c]) for c in range(X.shape[-1])]
    return np.stack(channels, axis=-1)
