"""Every public docstring has the agreed form and tells of the real signature."""

import inspect
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import Validator, validate

import skdeconv

ROOT = Path(__file__).parents[1]
CHECKS = set(
    tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "numpydoc_validation"
    ]["checks"]
)
PACKAGES = ["skdeconv", *(f"skdeconv.{name}" for name in skdeconv._PACKAGES)]


def public_objects():
    """Classes, their methods and functions that ``__all__`` of a package names.

    A method counts where the package, and not scikit-learn or torch, defines it. An
    override without a docstring of its own shows that of the class it overrides.
    """
    found = {}
    for package in map(import_module, PACKAGES):
        for name in package.__all__:
            value = getattr(package, name)
            if inspect.isclass(value):
                found[_path(value)] = (value, value)
                found.update(_methods(value))
            elif inspect.isfunction(value):
                found[_path(value)] = (value, value)
    return found


def _methods(kind):
    ours = [base for base in kind.__mro__ if base.__module__.startswith("skdeconv")]
    for name in dict.fromkeys(n for base in ours for n in vars(base)):
        if name.startswith("_") and name != "__call__":
            continue
        definitions = [vars(base)[name] for base in ours if name in vars(base)]
        if inspect.isfunction(definitions[0]):
            documented = next((d for d in definitions if d.__doc__), definitions[0])
            yield _path(definitions[0]), (definitions[0], documented)


def _path(value):
    return f"{value.__module__}.{value.__qualname__}"


OBJECTS = public_objects()


@pytest.mark.parametrize("path", OBJECTS)
def test_numpydoc(path):
    _, documented = OBJECTS[path]
    errors = validate(get_doc_object(documented))["errors"]
    assert [error for error in errors if error[0] in CHECKS] == []


@pytest.mark.parametrize("path", OBJECTS)
def test_parameters_are_those_of_the_signature(path):
    value, documented = OBJECTS[path]
    try:
        parameters = inspect.signature(value).parameters.values()
    except ValueError:  # the constructor of a built-in exception
        parameters = []
    expected = [
        {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "") + p.name
        for p in parameters
        if p.name != "self"
    ]
    listed = Validator(get_doc_object(documented)).doc["Parameters"]
    names = [name.strip() for entry in listed for name in entry.name.split(",")]
    assert names == expected


def test_enough_is_found():
    assert len(OBJECTS) > 60
    assert "skdeconv.restorers._base.RestorerMixin.score" in OBJECTS
