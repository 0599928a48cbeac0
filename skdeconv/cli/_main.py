"""Commands and their arguments."""

import argparse
import sys
import warnings
from contextlib import contextmanager

import skdeconv


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str or None, default=None
        Arguments without the program's name; None takes those of the process.

    Returns
    -------
    status : int
        0 where all went well, 1 where some file failed, 2 for a wrong call.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        with _plain_warnings():
            return arguments.run(arguments)
    except (ValueError, OSError) as error:
        print(f"skdeconv: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    except KeyboardInterrupt:
        print("skdeconv: interrupted", file=sys.stderr)
        return 130


@contextmanager
def _plain_warnings():
    """Warnings without the lines of code, which say nothing here."""
    usual = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"skdeconv: {message}\n"
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _parser():
    parser = argparse.ArgumentParser(
        prog="skdeconv", description="Image restoration as scikit-learn estimators."
    )
    parser.add_argument(
        "--version", action="version", version=f"skdeconv {skdeconv.__version__}"
    )
    commands = parser.add_subparsers(metavar="command", required=True)
    _add_benchmark(commands)
    _add_restore(commands)
    return parser


def _add_benchmark(commands):
    command = commands.add_parser(
        "benchmark",
        help="compare deep and classical restoration, and write a report",
        description="Compare restorers on photographs, with equal data and budget.",
    )
    command.add_argument(
        "--quick", action="store_true", help="about a minute, hardly trained"
    )
    command.add_argument(
        "--images",
        metavar="DIR",
        help="test on the images of a folder (in grey, at most 512 x 512 of each)",
    )
    command.add_argument(
        "--restorers", nargs="+", metavar="NAME", help="methods to run; default all"
    )
    command.add_argument(
        "--output",
        metavar="FILE.html",
        default="skdeconv-benchmark.html",
        help="the report; default %(default)s",
    )
    command.add_argument("--seed", type=int, default=0, help="default %(default)s")
    command.set_defaults(run=_benchmark)


def _add_restore(commands):
    command = commands.add_parser(
        "restore",
        help="restore image files",
        description="Restore image files; bit depth and metadata are kept.",
    )
    command.add_argument("inputs", nargs="+", metavar="INPUT", help="image files")
    command.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="a file, or a folder for several inputs",
    )
    command.add_argument(
        "--method",
        metavar="CLASSNAME",
        help="restorer; default PlugAndPlayRestorer with PSF, else PretrainedDenoiser",
    )
    blur = command.add_mutually_exclusive_group()
    blur.add_argument("--psf", metavar="FILE", help="PSF as .npy, .txt or an image")
    blur.add_argument(
        "--blur",
        metavar="KIND:SIZE",
        help="gaussian:STD, disk:RADIUS, motion:LENGTH:ANGLE or airy:RADIUS, in pixels",
    )
    command.add_argument(
        "--noise",
        metavar="FRACTION",
        help="noise standard deviation as a fraction of the range, such as 25/255",
    )
    command.add_argument(
        "--data-range",
        type=float,
        metavar="SPAN",
        help="span of the intensities, such as 255; by default that of the file's "
        "dtype, and 1 for floats that fit it",
    )
    command.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="parameters of the restorer, such as alpha=0.01",
    )
    command.add_argument(
        "--overwrite", action="store_true", help="replace files that exist"
    )
    command.set_defaults(run=_restore)


def _benchmark(arguments):
    from skdeconv.cli._benchmark import run_benchmark  # noqa: PLC0415 - torch is slow

    return run_benchmark(arguments)


def _restore(arguments):
    from skdeconv.cli._restore import run_restore  # noqa: PLC0415 - torch is slow

    return run_restore(arguments)
