"""Model files: what the configuration says of them, what is refused at start, and how one becomes explainable.

A file is read once, into memory: what was hashed is what is loaded. Loading happens in the worker process only; here,
in the daemon, a file is checked without importing any model library.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from daemon.explain import formats
from daemon.explain.features import FeatureRows
from processors.rows import Floats

Output = Literal["auto", "raw", "probability"]


class ModelRefused(Exception):
    """A model file that cannot or must not be explained; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """Where a model is and how to take it, as the configuration's `models[].explain` says.

    `{version}` in `path` stands for the version, `{model}` for the model's name. `sha256` is by version, `*` for all
    others. `features` names the features in the order in which the model takes them, if the file does not say it or
    names them differently from the events. `categories` gives the texts that the model knows by their number.
    `background_path` is an NDJSON file of prediction events. `trusted` lists further types that a skops file may
    hold. `positive` is the class of a binary model whose probability is explained, and `classes` are both in the
    order of the model's outputs, if the file does not say it.
    """

    path: str
    format: str = "auto"
    sha256: Mapping[str, str] = field(default_factory=dict)
    trust: bool = False
    features: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    background_path: str | None = None
    output: Output = "auto"
    trusted: tuple[str, ...] = ()
    positive: str | None = None
    classes: tuple[str, ...] = ()

    def named(self, model: str) -> ModelFile:
        """The file of one model, versions left open. Raises `ModelRefused` if its name cannot be part of a file's."""
        if "{model}" not in self.path:
            return self
        return replace(self, path=self.path.replace("{model}", _safe(model, "model", self.path)))

    def of(self, version: str) -> ModelFile:
        """The file of one version. Raises `ModelRefused` if the version cannot be part of a file's name.

        Versions come from events: `../../x` must not choose a file.
        """
        digest = self.sha256.get(version, self.sha256.get("*"))
        digests = {"*": digest} if digest else {}
        if "{version}" not in self.path:
            return replace(self, sha256=digests)
        path = self.path.replace("{version}", _safe(version, "version", self.path))
        return replace(self, path=path, sha256=digests)

    @property
    def digest(self) -> str | None:
        """The SHA-256 that the file must have, if one was given for all versions."""
        return self.sha256.get("*")

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> ModelFile:
        """The file that `to_state` described."""
        lists = {name: tuple(state[name]) for name in ("features", "trusted", "classes")}
        categories = {name: tuple(words) for name, words in state["categories"].items()}
        return cls(**{**state, **lists, "categories": categories})


class ModelFiles(Mapping[str, ModelFile]):
    """The file of every model: those that the configuration names, and one for all others if it says so.

    Iterates over those that are named; any other name may have a file all the same.
    """

    def __init__(self, named: Mapping[str, ModelFile | None], others: ModelFile | None = None) -> None:
        """None stands for a model that is not to be explained."""
        self._named, self.others = dict(named), others

    def __getitem__(self, model: str) -> ModelFile:
        file = self._named[model] if model in self._named else self._other(model)
        if file is None:
            raise KeyError(model)
        return file

    def __iter__(self) -> Iterator[str]:
        return iter([model for model, file in self._named.items() if file is not None])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _other(self, model: str) -> ModelFile | None:
        try:
            return None if self.others is None else self.others.named(model)
        except ModelRefused:
            return None


@dataclass(frozen=True, slots=True)
class Attributions:
    """SHAP values of some rows. `values` has shape (rows, features), `base` and `output` (rows,).

    Local accuracy: base + the row's values = output, the explained output of the model: of a binary classifier that
    of the positive class (the second, if the configuration names none), of a multiclass one that of the class it
    predicts, of a regression the value.
    """

    values: Floats
    base: Floats
    output: Floats


class Model(Protocol):
    """A loaded model that can explain itself."""

    features: tuple[str, ...]
    needs_background: bool
    classes: tuple[str, ...]
    """Its classes in the order of its outputs; empty if the file does not tell."""
    probability: bool
    """Whether a probability is explained, and not a margin or a value."""

    def explain(self, rows: FeatureRows, background: FeatureRows | None, seed: int) -> Attributions:
        """Attributions of the rows: the same for the same arguments, whatever was explained before."""


@dataclass(frozen=True, slots=True)
class Format:
    """One way in which model files are written.

    `modules` are what loading imports, and `extra` is what installs them. `load` gets the file's bytes and raises
    `ModelRefused` on what it will not take.
    """

    name: str
    endings: tuple[str, ...]
    modules: tuple[str, ...]
    extra: str
    load: Callable[[bytes, ModelFile], Model]
    runs_code: bool = False
    """Loading runs code from the file: it must be trusted by name and by content."""


@cache
def known_formats() -> dict[str, Format]:
    """All formats by name."""
    modules = (importlib.import_module(f"{formats.__name__}.{found.name}") for found in _modules())
    return {module.FORMAT.name: module.FORMAT for module in modules}


def check(file: ModelFile) -> Format:
    """The file's format, if it may be loaded. Raises `ModelRefused`. Imports no model library, reads no file."""
    chosen = _format_of(file)
    for module in chosen.modules:
        if find_spec(module) is None:
            raise ModelRefused(
                f"{file.path}: {module} is not installed, which {chosen.name} files need. "
                f"Install it with: pip install 'vigild[{chosen.extra}]'"
            )
    if chosen.runs_code and not file.trust:
        raise ModelRefused(
            f"{file.path}: loading a {chosen.name} file runs code from it. Set trust: true and its sha256, or save it "
            "with skops."
        )
    if chosen.runs_code and not file.sha256:
        raise ModelRefused(f"{file.path}: what is trusted must be known: set sha256 to the output of sha256sum.")
    return chosen


def check_at_start(file: ModelFile) -> None:
    """All that can be refused before anything is explained, the file's content included if its name is known."""
    check(file)
    if "{version}" not in file.path and "{model}" not in file.path and ("*" in file.sha256 or not file.sha256):
        read(file)


def read(file: ModelFile) -> bytes:
    """The file's bytes. Raises `ModelRefused` if they cannot be read or are not those that the digest names."""
    try:
        data = Path(file.path).read_bytes()
    except OSError as error:
        raise ModelRefused(f"{file.path}: cannot be read: {error.strerror}.") from error
    found = hashlib.sha256(data).hexdigest()
    if file.digest is not None and file.digest.lower() != found:
        raise ModelRefused(f"{file.path}: its sha256 is {found}, but the configuration says {file.digest}.")
    if check(file).runs_code and file.digest is None:
        raise ModelRefused(f"{file.path}: no sha256 is given for this version, and only what is known is trusted.")
    return data


def load(file: ModelFile) -> Model:
    """The model in the file. Imports its library, and runs code from it if it is trusted to. Raises `ModelRefused`."""
    chosen = check(file)
    data = read(file)
    try:
        return _oriented(chosen.load(data, file), file)
    except ModelRefused:
        raise
    except Exception as error:  # a library may raise anything on a damaged or newer file
        reason = " ".join(str(error).split())[:300]
        reason = reason or type(error).__name__
        raise ModelRefused(f"{file.path}: cannot be loaded as {chosen.name}: {reason}") from error


def ordered_features(file: ModelFile, own: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Names of a model's features in its order: the configuration's, else the file's own.

    `count` is how many the model takes. Raises `ModelRefused` if there are no names, or not that many.
    """
    names = file.features or own
    if not names:
        raise ModelRefused(f"{file.path}: names no features. List its {count} in order under explain.features.")
    if len(names) != count:
        raise ModelRefused(f"{file.path}: takes {count} features, but {len(names)} are named.")
    return names


class _Complement:
    """A binary model, explained by the first of its classes instead of the second."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.features, self.needs_background = model.features, model.needs_background
        self.classes, self.probability = model.classes[::-1], model.probability

    def explain(self, rows: FeatureRows, background: FeatureRows | None, seed: int) -> Attributions:
        found = self._model.explain(rows, background, seed)
        whole = 1.0 if self.probability else 0.0
        return Attributions(-found.values, whole - found.base, whole - found.output)


def _oriented(model: Model, file: ModelFile) -> Model:
    """The model, turned round if the positive class is the first of its two."""
    if file.positive is None or len(model.classes) > 2:
        return model
    for classes in (model.classes, file.classes, ("0", "1")):
        if len(classes) == 2 and file.positive in classes:
            return _Complement(model) if classes[0] == file.positive else model
    return model


def _safe(name: str, what: str, path: str) -> str:
    if name in {"", ".", ".."} or any(character in name for character in "/\\\0"):
        raise ModelRefused(f"{what} {name!r} cannot be part of the file name {path}.")
    return name


def _modules() -> list[pkgutil.ModuleInfo]:
    return sorted(pkgutil.iter_modules(formats.__path__), key=lambda module: module.name)


def _format_of(file: ModelFile) -> Format:
    known = known_formats()
    if file.format in known:
        return known[file.format]
    if file.format != "auto":
        raise ModelRefused(f"{file.path}: {file.format!r} is no format; there are {', '.join(known)}.")
    for chosen in known.values():
        if file.path.endswith(chosen.endings):
            return chosen
    raise ModelRefused(f"{file.path}: its ending tells no format. Set explain.format to one of {', '.join(known)}.")
