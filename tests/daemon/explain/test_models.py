"""What is refused, before anything runs from a file, and in one line that says what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from daemon.explain import models
from daemon.explain.models import ModelFile, ModelFiles, ModelRefused, check_at_start, load
from tests.daemon.explain.trained import data, joblib_file, linear_file, renamed, rows_of, saved, tree_file


def refusal(call: Any, *arguments: Any) -> str:
    """The line with which something is refused."""
    with pytest.raises(ModelRefused) as refused:
        call(*arguments)
    line = str(refused.value)
    assert "\n" not in line
    return line


class Trap:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


def test_a_joblib_file_without_trust_is_refused_unread(tmp_path: Path) -> None:
    """Neither checking nor loading runs what it holds; the line tells of trust and of skops."""
    trace = tmp_path / "trace"
    file = joblib_file(Trap(trace), tmp_path / "m.joblib")
    for call in (check_at_start, load):
        line = refusal(call, renamed(file, trust=False))
        assert "trust: true" in line
        assert "skops" in line
    assert not trace.exists()


def test_a_joblib_file_of_other_content_than_was_trusted_is_refused_unread(tmp_path: Path) -> None:
    """The digest is of the bytes that would be loaded."""
    trace = tmp_path / "trace"
    file = joblib_file(Trap(trace), tmp_path / "m.joblib")
    assert "its sha256 is" in refusal(load, renamed(file, sha256={"*": "0" * 64}))
    assert not trace.exists()
    refusal(load, file)
    assert trace.exists(), "the trap works"


def test_a_trusted_joblib_file_without_a_digest_is_refused(tmp_path: Path) -> None:
    """Also for a version of which none is given."""
    file = joblib_file(1, tmp_path / "m-1.joblib")
    assert "sha256" in refusal(check_at_start, renamed(file, sha256={}))
    named = renamed(file, path=str(tmp_path / "m-{version}.joblib"), sha256={"2": "0" * 64})
    check_at_start(named)
    assert "what is trusted must be known" in refusal(load, named.of("1"))
    assert "no sha256 is given for this version" in refusal(load, renamed(file, sha256={"2": file.digest}))


def test_unknown_types_in_a_skops_file_are_named(tmp_path: Path) -> None:
    """And can be trusted by their names."""
    from sklearn.preprocessing import FunctionTransformer

    file = saved(FunctionTransformer(os.getcwd), tmp_path / "m.skops")
    assert "posix.getcwd" in refusal(load, file)
    assert "predicts nothing" in refusal(load, renamed(file, trusted=("posix.getcwd",)))


def test_a_missing_library_names_the_extra_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At start, without importing anything."""
    (tmp_path / "m.json").write_text("{}")
    monkeypatch.setattr(models, "find_spec", lambda _: None)
    line = refusal(check_at_start, ModelFile(str(tmp_path / "m.json")))
    assert "pip install 'vigild[xgboost]'" in line


def test_checking_a_file_imports_no_model_library(tmp_path: Path) -> None:
    """The daemon's own process stays light: libraries, and shap, are the worker's."""
    file = tree_file(tmp_path)
    program = (
        "import sys; from daemon.explain.explainer import Explainer; from daemon.explain.models import ModelFile;"
        f"Explainer({{'m': ModelFile({file.path!r})}}).close();"
        "print([m for m in ('shap', 'sklearn', 'skops', 'pandas', 'xgboost', 'onnxruntime') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("m.skops", b"junk", "cannot be loaded as skops"),
        ("m.json", b"junk", "cannot be loaded as xgboost"),
        ("m.txt", b"junk", "cannot be loaded as lightgbm"),
        ("m.onnx", b"junk", "cannot be loaded as onnx"),
        ("m.model", b"junk", "its ending tells no format"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    """Whatever its library raises."""
    (tmp_path / name).write_bytes(content)
    assert says in refusal(load, ModelFile(str(tmp_path / name)))


def test_a_missing_file_is_refused_at_start(tmp_path: Path) -> None:
    """Unless its name depends on the version: that may come later."""
    assert "No such file" in refusal(check_at_start, ModelFile(str(tmp_path / "m.json")))
    check_at_start(ModelFile(str(tmp_path / "m-{version}.json")))


def test_a_file_without_names_wants_them_listed(tmp_path: Path) -> None:
    """And as many as the model takes."""
    file = linear_file(tmp_path)
    assert "List its 5 in order under explain.features" in refusal(load, renamed(file, features=()))
    assert "takes 5 features, but 2 are named" in refusal(load, renamed(file, features=("a", "b")))


@pytest.mark.parametrize("version", ["", "..", "../../etc/passwd", "a/b", "a\\b", "a\0b"])
def test_a_version_cannot_choose_a_file_elsewhere(version: str) -> None:
    """Versions come from events."""
    refusal(ModelFile("models/{version}").of, version)


def test_digests_are_by_version() -> None:
    """`*` stands for those that are not named."""
    file = ModelFile("m-{version}.joblib", sha256={"1": "a" * 64, "*": "b" * 64})
    assert file.of("1").digest == "a" * 64
    assert file.of("2").digest == "b" * 64
    assert file.of("2").path == "m-2.joblib"


@pytest.mark.parametrize(("output", "whole"), [("raw", 0.0), ("probability", 1.0)])
def test_the_positive_class_is_explained_be_it_the_first(output: str, whole: float, tmp_path: Path) -> None:
    """What speaks for one of two classes speaks against the other; the sums stay those of the model's output."""
    matrix, classes = data()
    names = np.array(["yes", "no"])[classes]  # the model orders them no, yes
    file = renamed(saved(HistGradientBoostingClassifier(max_iter=5).fit(matrix, names), tmp_path / "m.skops"))
    rows = rows_of(matrix[:4])
    file = renamed(file, output=output)
    usual, yes, no = (
        load(renamed(file, positive=name)).explain(rows, rows_of(matrix[:50]), 0) for name in (None, "yes", "no")
    )
    assert np.array_equal(usual.values, yes.values)
    assert np.allclose(no.values, -yes.values)
    assert np.allclose(no.output, whole - yes.output)
    assert np.allclose(no.base + no.values.sum(axis=1), no.output)


def test_a_file_for_all_models_is_chosen_by_name_and_never_leaves_its_folder() -> None:
    """A model that is named has its own file or none; any other the one for all, unless its name is no file name."""
    files = ModelFiles({"fraud": ModelFile("fraud.skops"), "off": None}, ModelFile("m/{model}-{version}.skops"))
    assert files["fraud"].path == "fraud.skops"
    assert files["churn"].of("3").path == "m/churn-3.skops"
    assert [name for name in ("fraud", "off", "churn", "../x", "..") if name in files] == ["fraud", "churn"]
    assert list(files) == ["fraud"]
