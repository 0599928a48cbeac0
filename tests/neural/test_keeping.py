"""Saving and loading: the same answers, nothing run, damage refused."""

import hashlib
import io
import json
import pickle
import zipfile
from inspect import signature

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from sklearn.exceptions import NotFittedError
from skorch.callbacks import EarlyStopping
from skorch.exceptions import DeviceWarning
from torch import nn

from skdeconv import DeconvRestorer, Degradation
from skdeconv.degradations import GaussianNoise, Noise, PoissonGaussianNoise
from skdeconv.networks import UNet
from skdeconv.neural._building import MODULES
from skdeconv.neural._keeping._encoding import STEPS, decode, encode
from skdeconv.neural._keeping._io import KEY, _read, read_model, write_model
from skdeconv.operators import Blur
from skdeconv.testing import example_operators

X = np.random.default_rng(0).random((3, 12, 13), dtype=np.float32)


class Convolution(nn.Module):
    """A network of the user's own."""

    def __init__(self, in_channels, out_channels, size=3):
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, out_channels, size, padding="same")

    def forward(self, x):
        return self.convolution(x)


class OwnNoise(Noise):
    def __call__(self, x, generator=None):
        return x


def small(**parameters):
    defaults = {"module": "conv_transpose", "max_epochs": 1, "patches_per_epoch": 2}
    network = parameters.get("module", "conv_transpose")
    if network in MODULES and "width" in signature(MODULES[network]).parameters:
        defaults["module__width"] = 2
    return DeconvRestorer(**defaults | {"random_state": 0} | parameters)


@pytest.fixture(scope="module")
def fitted():
    """Do not refit it."""
    return small(validation_fraction=0.4, max_epochs=3).fit(X, X)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def forge(path, restorer, changes):
    """A file whose seal is whole, but whose record is not what it should be."""
    restorer.save(path)
    record, tensors = read_model(path)
    del record["sha256"]
    return write_model(path, record | changes, tensors)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_the_loaded_one_answers_alike(module, ndim, path):
    images = np.random.default_rng(0).random((2, *(9, 8, 7)[:ndim], 2))
    restorer = small(module=module, ndim=ndim).fit(images, images)
    again = DeconvRestorer.load(restorer.save(path))
    assert np.array_equal(again.predict(images), restorer.predict(images))
    assert again.get_params() == restorer.get_params()


@pytest.mark.parametrize(
    "parameters",
    [
        {"module": "unet", "module__width": 4, "module__noise_map": True},
        {"module": "unet", "module__width": 4, "self_ensemble": True},
        {"supervision": "noise2void", "psf": [[0.5, 0.5]]},
        {"ema_decay": 0.9, "lr_schedule": "plateau", "max_grad_norm": 1.0},
        {"degradation": Degradation([GaussianNoise((0.0, 0.2))])},
    ],
    ids=str,
)
def test_ways_to_train(parameters, path):
    restorer = small(**parameters).fit(X, X)
    again = DeconvRestorer.load(restorer.save(path))
    assert np.array_equal(again.predict(X), restorer.predict(X))
    again.partial_fit(X, X)


def test_half_precision(fitted, path):
    whole = fitted.save(path).stat().st_size
    expected = fitted.predict(X)
    half = fitted.save(path, half=True).stat().st_size
    loaded = DeconvRestorer.load(path)
    assert half < whole
    dtypes = {p.dtype for p in loaded.net_.module_.parameters()}
    assert dtypes == {torch.float32}
    np.testing.assert_allclose(loaded.predict(X), expected, atol=2e-3)


def test_finer_pixels_and_masks(path):
    mask = np.ones(X.shape, dtype=bool)
    mask[:, 3] = False
    fine = X.repeat(2, axis=1).repeat(2, axis=2)
    restorer = small(upscale=2).fit(X, fine, mask=mask)
    again = DeconvRestorer.load(restorer.save(path))
    assert np.array_equal(again.predict(X, mask=mask), restorer.predict(X, mask=mask))


def test_a_checkpoint_is_a_path(path, tmp_path):
    restorer = small(checkpoint=tmp_path / "state.pt").fit(X, X)
    again = DeconvRestorer.load(restorer.save(path))
    assert again.checkpoint == str(tmp_path / "state.pt")


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "float64"])
def test_units_are_kept(dtype, path):
    images = (X * 255 if dtype[0] == "u" else X > 0.5).astype(dtype)
    restorer = small(clip=True).fit(images, images)
    again = DeconvRestorer.load(restorer.save(path))
    assert np.array_equal(again.predict(images), restorer.predict(images))
    assert again.data_range_ == restorer.data_range_
    if dtype == "uint8":
        with pytest.raises(ValueError, match="fitted on"):
            again.predict(images / 255)


def test_names_of_features_are_kept(path):
    table = pd.DataFrame(X[0], columns=[f"at {i}" for i in range(X.shape[2])])
    restorer = small(ndim=1).fit(table, table)
    again = DeconvRestorer.load(restorer.save(path))
    assert np.array_equal(again.feature_names_in_, restorer.feature_names_in_)
    assert np.array_equal(again.predict(table), restorer.predict(table))


def test_history(fitted, path):
    again = DeconvRestorer.load(fitted.save(path))
    assert again.n_iter_ == 3
    for name in ("train_loss", "valid_psnr", "lr", "dur", "epoch"):
        assert again.history_[:, name] == fitted.history_[:, name]


@pytest.mark.parametrize("further", ["partial_fit", "fit"])
def test_training_goes_on(further, fitted, path):
    again, same = (DeconvRestorer.load(fitted.save(path)) for _ in range(2))
    for restorer in (again, same):
        getattr(restorer.set_params(warm_start=True), further)(X, X)
    assert again.n_iter_ > fitted.n_iter_
    assert np.array_equal(again.predict(X), same.predict(X))
    assert not np.array_equal(again.predict(X), fitted.predict(X))


def test_the_global_generator_is_left_alone(fitted, path):
    fitted.save(path)
    state = torch.random.get_rng_state()
    DeconvRestorer.load(path)
    assert torch.equal(state, torch.random.get_rng_state())


def test_the_record_is_readable(fitted, path):
    fitted.save(path)
    with safe_open(path, "pt") as file:
        record = json.loads(file.metadata()["skdeconv"])
        names = set(file.keys())
    assert record["class"] == "DeconvRestorer"
    assert record["parameters"]["module"] == "conv_transpose"
    assert record["fitted"]["data_range_"] == 1.0
    assert record["versions"]["torch"] == torch.__version__
    assert names == {f"net.{name}" for name in fitted.net_.module_.state_dict()}


def test_equal_models_are_equal_files(fitted, tmp_path):
    files = [fitted.save(tmp_path / name).read_bytes() for name in "ab"]
    assert files[0] == files[1]


@pytest.mark.parametrize("name", ["modèle 模型", "model", "a.b.pt", ".hidden"])
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_any_path(name, kind, fitted, tmp_path):
    target = tmp_path / name
    assert fitted.save(kind(target)) == target
    assert [file.name for file in tmp_path.iterdir()] == [name]
    target.chmod(0o444)
    DeconvRestorer.load(kind(target))


def test_paths_that_cannot_be(fitted, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no"):
        fitted.save(tmp_path / "missing" / "model")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        fitted.save(tmp_path)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        DeconvRestorer.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        DeconvRestorer.load(tmp_path / "missing")


def test_a_failed_save_leaves_the_old_file(fitted, path, monkeypatch):
    before = fitted.save(path).read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fitted.save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_unfitted(path):
    with pytest.raises(NotFittedError):
        small().save(path)


def test_every_flipped_byte_is_noticed(fitted, path):
    raw = fitted.save(path).read_bytes()
    _read(io.BytesIO(raw), len(raw))
    for place in range(len(raw)):
        flipped = bytearray(raw)
        flipped[place] ^= 1 << place % 8
        with pytest.raises(ValueError, match=r"changed|not a model"):
            _read(io.BytesIO(flipped), len(raw))


@pytest.mark.parametrize("place", [0, 7, 12, 100, 1000, -1])
def test_a_flipped_byte_of_a_file(place, fitted, path):
    raw = bytearray(fitted.save(path).read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        DeconvRestorer.load(path)


def test_blanks_are_noticed(fitted, path):
    """A change that JSON would not notice."""
    raw = fitted.save(path).read_bytes()
    path.write_bytes(raw.replace(b'\\n  \\"format', b'\\n \\t\\"format', 1))
    with pytest.raises(ValueError, match="changed"):
        DeconvRestorer.load(path)


def test_every_length_is_noticed(fitted, path):
    raw = fitted.save(path).read_bytes()
    for length in [*range(20), *range(20, len(raw), 97), len(raw) - 1]:
        path.write_bytes(raw[:length])
        with pytest.raises(ValueError, match="model"):
            DeconvRestorer.load(path)
    path.write_bytes(raw + b"\0")
    with pytest.raises(ValueError, match="changed"):
        DeconvRestorer.load(path)


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", "b" * 1000)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"plain text, and some more of it\n",
        pickle.dumps({"module": "unet"}),
        zipped(),
        (2**63).to_bytes(8, "little") + b'{"__metadata__":{}}',
        (10**8 + 1).to_bytes(8, "little") + b'{"__metadata__":{}}',
        (2).to_bytes(8, "little") + b"{}",
    ],
    ids=["empty", "text", "pickle", "zip", "huge", "long", "nothing"],
)
def test_other_files(content, path):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a model"):
        DeconvRestorer.load(path)


def test_a_pickle_is_never_run(path):
    class Trap:
        def __reduce__(self):
            return (path.with_name("sprung").touch, ())

    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="not a model"):
        DeconvRestorer.load(path)
    assert not path.with_name("sprung").exists()


def test_a_newer_format(fitted, path):
    forge(path, fitted, {"format": 2})
    with pytest.raises(ValueError, match=r"format 2.*update"):
        DeconvRestorer.load(path)


def test_another_class(fitted, path):
    class Sibling(DeconvRestorer):
        pass

    fitted.save(path)
    with pytest.raises(ValueError, match=r"holds a DeconvRestorer.*call DeconvRes"):
        Sibling.load(path)


def test_a_class_that_adds_a_network(path):
    class Pair(DeconvRestorer):
        """Holds a second network, and an attribute that is a tensor."""

        _rebuilt = (*DeconvRestorer._rebuilt, "critic_")

        def _fit(self, *arguments):
            super()._fit(*arguments)
            self._rebuild_critic()
            self.steps_ = torch.arange(3)

        def _rebuild(self):
            super()._rebuild()
            self._rebuild_critic()

        def _rebuild_critic(self):
            self.critic_ = nn.Linear(2, 2)

        def _networks(self):
            return super()._networks() | {"critic": self.critic_}

    pair = Pair("conv_transpose", max_epochs=1, patches_per_epoch=2).fit(X, X)
    again = Pair.load(pair.save(path))
    assert torch.equal(again.critic_.weight, pair.critic_.weight)
    assert torch.equal(again.steps_, pair.steps_)
    assert np.array_equal(again.predict(X), pair.predict(X))


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": {"modul": "unet"}},
        {"parameters": {"module": "os.system"}},
        {"parameters": {"module": {"class": "system"}}},
        {"parameters": {"module": {"class": 3}}},
        {"parameters": {"module": {"import": "os"}}},
        {"parameters": {"module": {}}},
        {"parameters": {"degradation": {"object": "Noise", "arguments": {}}}},
        {"parameters": {"lr": {"array": 7}}},
        {"parameters": {"module__width": 3}},
        {"parameters": 3},
        {"fitted": {"predict": 3}},
        {"fitted": {"net_": 3}},
        {"fitted": {"_check_X": None}},
        {"fitted": {}},
        {"history": 3},
        {"history": [3]},
        {"class": None},
        {"format": None},
    ],
    ids=str,
)
def test_forged_records(changes, fitted, path):
    forge(path, fitted, changes)
    with pytest.raises(ValueError, match=r".+"):
        DeconvRestorer.load(path)


def test_forged_nesting(fitted, path):
    fitted.save(path)
    text = '{\n  "sha256": "' + "0" * 64 + '", "a": ' + "[" * 10**5 + "]" * 10**5 + "}"
    header = json.dumps({"__metadata__": {KEY: text}}, separators=(",", ":")).encode()
    raw = len(header).to_bytes(8, "little") + header
    digest = hashlib.sha256(raw).hexdigest().encode()
    path.write_bytes(raw.replace(b"0" * 64, digest, 1))
    with pytest.raises(ValueError, match="does not hold a model"):
        DeconvRestorer.load(path)


def test_a_network_of_ones_own(path):
    restorer = small(module=Convolution, module__size=5).fit(X, X)
    restorer.save(path)
    with pytest.raises(ValueError, match=r"Convolution.*load\(path, module=\.\.\.\)"):
        DeconvRestorer.load(path)
    again = DeconvRestorer.load(path, module=Convolution)
    assert np.array_equal(again.predict(X), restorer.predict(X))
    with pytest.raises(ValueError, match="do not fit"):
        DeconvRestorer.load(path, module=Convolution, module__size=3)
    with pytest.raises(ValueError, match="cannot be made"):
        DeconvRestorer.load(path, module=Convolution, modul="unet")


def test_parameters_that_are_code(path):
    restorer = small(criterion=nn.SmoothL1Loss, optimizer=torch.optim.RMSprop)
    restorer.fit(X, X).save(path)
    with pytest.raises(ValueError, match=r"SmoothL1Loss.*criterion="):
        DeconvRestorer.load(path)
    again = DeconvRestorer.load(path, criterion="mse", optimizer="adam")
    assert np.array_equal(again.predict(X), restorer.predict(X))


def test_classes_of_the_library_need_not_be_given(path):
    restorer = small(module=UNet, module__width=4).fit(X, X)
    assert DeconvRestorer.load(restorer.save(path)).module is UNet


def test_parameters_of_many_kinds(path):
    restorer = small(
        criterion="mixed",
        criterion__weights={"l1": 0.5, "mse": 0.5},
        optimizer__betas=(0.8, 0.99),
        random_state=np.random.RandomState(3),
        lr=np.float64(1e-3),
        patch_size=np.int64(8),
    ).fit(X, X)
    again = DeconvRestorer.load(restorer.save(path))
    assert again.get_params()["criterion__weights"] == {"l1": 0.5, "mse": 0.5}
    assert again.get_params()["optimizer__betas"] == (0.8, 0.99)
    assert again.random_state.randint(100) == restorer.random_state.randint(100)


def test_a_degradation_is_kept(path):
    psf = np.random.default_rng(0).random((3, 4))
    psf[0, 0] = 9
    with pytest.warns(match="psf"):
        steps = [Blur(psf, "periodic"), GaussianNoise(0.1)]
    restorer = small(degradation=Degradation(steps, random_state=1)).fit(X)
    again = DeconvRestorer.load(restorer.save(path)).degradation
    assert np.array_equal(again.steps[0].psf, steps[0].psf)
    expected = restorer.degradation.fit_transform(X)
    assert np.array_equal(again.fit_transform(X), expected)


def test_steps_of_ones_own(path):
    degradation = Degradation([OwnNoise()])
    small(degradation=degradation).fit(X).save(path)
    with pytest.raises(ValueError, match=r"Degradation.*degradation="):
        DeconvRestorer.load(path)
    DeconvRestorer.load(path, degradation=None)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_every_operator_of_the_library(ndim):
    for operator in example_operators(ndim):
        arrays = []
        text = json.dumps(encode(operator, arrays))
        again = decode(json.loads(text), dict(enumerate(arrays)))
        assert repr(again) == repr(operator)
        size = operator.input_shape(operator.output_shape((12, 8, 4)[:ndim]))
        data = torch.rand(1, 1, *size, dtype=torch.float64)
        assert torch.equal(again(data), operator(data))


def test_paths_are_kept_as_strings(tmp_path):
    assert decode(encode(tmp_path, []), {}) == str(tmp_path)


def test_every_step_is_known_by_its_arguments():
    arguments = {
        "GaussianNoise": {"std": 0.1},
        "PoissonNoise": {"gain": 0.1},
        "PoissonGaussianNoise": {"gain": 0.1, "std": 0.2},
        "SaltAndPepperNoise": {"fraction": 0.1, "data_range": 2.0},
        "Quantisation": {"levels": 3, "data_range": 2.0},
        "JPEGCompression": {"quality": 3, "data_range": 2.0},
    }
    noises = {n for n, kind in STEPS.items() if issubclass(kind, Noise)} - {"Noise"}
    assert noises <= set(arguments)
    for name, given in arguments.items():
        again = decode(encode(STEPS[name](**given), []), {})
        assert type(again) is STEPS[name]
        assert {key: getattr(again, key) for key in given} == given


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -3,
        1e-300,
        float("inf"),
        "a\ud800",
        [1, (2, [3])],
        {"tuple": [1], "dict": {}},
        10**40,
    ],
    ids=str,
)
def test_values(value):
    again = decode(json.loads(json.dumps(encode(value, []), allow_nan=False)), {})
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize("dtype", ["bool", "uint16", ">f4", "f2", "i8", "f8"])
def test_arrays(dtype):
    array, arrays = np.arange(6).reshape(2, 3).T.astype(dtype), []
    again = decode(encode(array, arrays), arrays)
    assert np.array_equal(again, array)
    assert again.dtype == array.dtype.newbyteorder("=")


@pytest.mark.parametrize("value", [print, 3j, {1: 2}, object(), b"", nn.ReLU])
def test_what_a_file_cannot_hold(value):
    with pytest.raises(TypeError, match="cannot hold"):
        encode(value, [])


def test_a_failed_parameter_leaves_no_array(path):
    degradation = Degradation([Blur(np.ones((3, 3)) / 9), OwnNoise()])
    small(degradation=degradation).fit(X).save(path)
    assert not any(name.startswith("array") for name in read_model(path)[1])


def test_callbacks_are_not_kept(path):
    patient = [("mine", EarlyStopping("train_loss"))]
    restorer = small(callbacks=patient, callbacks__mine__patience=3).fit(X, X)
    with pytest.warns(UserWarning, match="callbacks are not kept"):
        restorer.save(path)
    again = DeconvRestorer.load(path)
    assert again.callbacks is None
    assert np.array_equal(again.predict(X), restorer.predict(X))
    again = DeconvRestorer.load(path, callbacks=patient)
    assert "mine" in dict(again.net_.callbacks_)


def test_parameters_that_were_changed_since(path):
    restorer = small().fit(X, X).set_params(criterion="l1", module__width=4)
    with pytest.raises(ValueError, match=r"'module__width'\] changed since fit"):
        restorer.save(path)
    assert not path.exists()
    restorer.set_params(module__width=2).save(path)
    assert DeconvRestorer.load(path).criterion == "l1"


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_a_machine_without_the_device(device, path):
    restorer = small().fit(X, X).set_params(device=device)
    again = DeconvRestorer.load(restorer.save(path))
    assert again.device == "auto"
    assert np.array_equal(again.predict(X), restorer.predict(X))
    assert DeconvRestorer.load(path, device="cpu").device == "cpu"
    with pytest.raises(ValueError, match="no CUDA"):
        DeconvRestorer.load(path, device="cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without")
def test_a_pickle_on_a_machine_without_the_device():
    restorer = small().fit(X, X)
    expected = restorer.predict(X)
    restorer.net_.device = "cuda"
    with pytest.warns(DeviceWarning):
        again = pickle.loads(pickle.dumps(restorer))
    assert np.array_equal(again.predict(X), expected)


@pytest.mark.parametrize("how", ["pickle", "joblib"])
def test_a_loaded_one_is_pickled(how, fitted, path, tmp_path):
    again = DeconvRestorer.load(fitted.save(path))
    if how == "pickle":
        third = pickle.loads(pickle.dumps(again))
    else:
        joblib.dump(again, tmp_path / "model.joblib")
        third = joblib.load(tmp_path / "model.joblib")
    assert np.array_equal(third.predict(X), fitted.predict(X))
    assert third.save(tmp_path / "c").read_bytes() == path.read_bytes()


def test_a_compiled_network_is_kept_as_it_was(fitted, path):
    class Compiled(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self._orig_mod = inner

    restorer = pickle.loads(pickle.dumps(fitted))
    restorer.net_.module_ = Compiled(restorer.net_.module_)
    again = DeconvRestorer.load(restorer.save(path))
    assert np.array_equal(again.predict(X), fitted.predict(X))


def test_noise_of_two_kinds():
    noise = decode(encode(PoissonGaussianNoise(0.1, 0.2), []), {})
    assert (noise.gain, noise.std) == (0.1, 0.2)
