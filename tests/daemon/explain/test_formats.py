"""Every format and kind of model: values as shap gives them, which add up to what the model itself answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import shap
import xgboost
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from daemon.explain.features import FeatureRows
from daemon.explain.methods import PERMUTATIONS
from daemon.explain.models import Attributions, ModelFile, load
from tests.daemon.explain.trained import NAMES, data, joblib_file, renamed, rows_of, saved

X, y = data()
X3, y3 = data(3)
BACKGROUND = rows_of(X[100:150])
SOME = X[:6]


def explained(file: ModelFile, rows: FeatureRows | None = None, background: FeatureRows = BACKGROUND) -> Attributions:
    """Values of some rows, checked to add up."""
    model = load(file)
    found = model.explain(rows_of(SOME) if rows is None else rows, background, 0)
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), found.output, atol=1e-5)
    return found


TREES = [
    HistGradientBoostingClassifier(max_iter=5),
    HistGradientBoostingRegressor(max_iter=5),
    GradientBoostingClassifier(n_estimators=5),
    RandomForestClassifier(5, random_state=0),
    RandomForestRegressor(5, random_state=0),
]


def raw_output(estimator: Any, rows: Any) -> Any:
    """What a tree's SHAP values add up to: the margin, a forest's probability, or the value."""
    if hasattr(estimator, "decision_function"):
        return estimator.decision_function(rows)
    return estimator.predict_proba(rows)[:, 1] if hasattr(estimator, "predict_proba") else estimator.predict(rows)


@pytest.mark.parametrize("estimator", TREES, ids=lambda estimator: type(estimator).__name__)
def test_trees_of_scikit_learn_are_explained_by_their_paths(estimator: Any, tmp_path: Path) -> None:
    """As `shap.TreeExplainer`, of the positive class where there are two."""
    estimator.fit(X, y)
    found = explained(saved(estimator, tmp_path / "m.skops"))
    direct = shap.TreeExplainer(estimator)(SOME).values
    np.testing.assert_allclose(found.values, direct[:, :, 1] if direct.ndim == 3 else direct, atol=1e-9)
    np.testing.assert_allclose(found.output, raw_output(estimator, SOME), atol=1e-6)


def test_linear_models_are_explained_by_their_coefficients(tmp_path: Path) -> None:
    """As `shap.LinearExplainer`, which is coefficient × (value − background mean)."""
    for estimator in (LogisticRegression().fit(X, y), LinearRegression().fit(X, y)):
        found = explained(saved(estimator, tmp_path / "m.skops"))
        by_hand = np.ravel(estimator.coef_) * (SOME - X[100:150].mean(axis=0))
        np.testing.assert_allclose(found.values, by_hand, atol=1e-9)


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        KNeighborsClassifier(algorithm="kd_tree"),
        MLPClassifier((4,), max_iter=20, random_state=0),
    ],
    ids=["pipeline", "neighbours", "network"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_other_estimators_are_explained_by_permutations(estimator: Any, tmp_path: Path) -> None:
    """As `shap.PermutationExplainer` with the same seed, of the positive class's probability."""
    estimator.fit(X, y)
    found = explained(saved(estimator, tmp_path / "m.skops"))
    np.testing.assert_allclose(found.values, permuted(lambda rows: estimator.predict_proba(rows)[:, 1]), atol=1e-9)
    np.testing.assert_allclose(found.output, estimator.predict_proba(SOME)[:, 1], atol=1e-9)


def permuted(predict: Any) -> Any:
    """Permutation values of shap itself, each row from the same seed."""
    explainer = shap.PermutationExplainer(predict, shap.maskers.Independent(X[100:150], max_samples=50))
    values = []
    for row in SOME:
        np.random.seed(0)  # noqa: NPY002 - shap draws from the global generator
        values.append(explainer(row[None, :], max_evals=PERMUTATIONS * 11, silent=True).values[0])
    return np.stack(values)


def test_of_many_classes_the_predicted_one_is_explained(tmp_path: Path) -> None:
    """For each row the class that the model itself gives, whatever the method."""
    tree = HistGradientBoostingClassifier(max_iter=5).fit(X3, y3)
    found = explained(saved(tree, tmp_path / "m.skops"), rows_of(X3[:6]))
    np.testing.assert_allclose(found.output, tree.decision_function(X3[:6]).max(axis=1), atol=1e-6)
    linear = LogisticRegression().fit(X3, y3)
    found = explained(saved(linear, tmp_path / "m.skops"), rows_of(X3[:6]))
    np.testing.assert_allclose(found.output, linear.decision_function(X3[:6]).max(axis=1), atol=1e-6)


def test_the_probability_is_explained_where_asked(tmp_path: Path) -> None:
    """`output: probability` of a margin model takes the permutations' way."""
    tree = HistGradientBoostingClassifier(max_iter=5).fit(X, y)
    file = renamed(saved(tree, tmp_path / "m.skops"), output="probability")
    np.testing.assert_allclose(explained(file).output, tree.predict_proba(SOME)[:, 1], atol=1e-9)


def test_trees_that_shap_cannot_read_are_explained_as_functions(tmp_path: Path) -> None:
    """Splits on sets of categories: values still add up, to the probability."""
    matrix = np.column_stack([X[:, :4], np.arange(len(X)) % 3])
    tree = HistGradientBoostingClassifier(max_iter=5, categorical_features=[4], min_samples_leaf=5).fit(matrix, y)
    found = explained(saved(tree, tmp_path / "m.skops"), rows_of(matrix[:6]), rows_of(matrix[100:150]))
    np.testing.assert_allclose(found.output, tree.predict_proba(matrix[:6])[:, 1], atol=1e-9)


def table() -> Any:
    """Columns of numbers and of texts."""
    country = np.array(["de", "fr", "cn"])[np.arange(len(X)) % 3]
    return pd.DataFrame({"amount": X[:, 0], "country": country, "rate": X[:, 3]})


def test_a_pipeline_that_takes_a_table_gets_one(tmp_path: Path) -> None:
    """Columns by name in whatever order events have them, texts as texts; categories may be unseen or missing."""
    frame = table()
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["country"]), remainder="passthrough")
    pipeline = make_pipeline(encode, LogisticRegression()).fit(frame, y)
    file = renamed(saved(pipeline, tmp_path / "m.skops"), features=())
    records = [dict(reversed(record.items())) for record in frame.to_dict("records")]
    found = explained(file, FeatureRows.of_mappings(records[:6]), FeatureRows.of_mappings(records[100:150]))
    np.testing.assert_allclose(found.output, pipeline.predict_proba(frame[:6])[:, 1], atol=1e-9)
    odd = FeatureRows.of_mappings([{**records[0], "country": "xx"}, {**records[0], "country": None}])
    explained(file, odd, FeatureRows.of_mappings(records[100:150]))


@pytest.mark.parametrize("ending", ["json", "ubj"])
def test_xgboost_files_give_the_values_of_the_tree_explainer(ending: str, tmp_path: Path) -> None:
    """Of the margin; names come from the file, and events may lack features."""
    model = xgboost.XGBClassifier(n_estimators=5, max_depth=3).fit(pd.DataFrame(X, columns=NAMES), y)
    model.save_model(tmp_path / f"m.{ending}")
    file = ModelFile(str(tmp_path / f"m.{ending}"))
    found = explained(file)
    np.testing.assert_allclose(found.values, shap.TreeExplainer(model).shap_values(SOME), atol=1e-5)
    np.testing.assert_allclose(found.output, model.predict(SOME, output_margin=True), atol=1e-5)
    lacking = explained(file, rows_of(SOME[:, :3], NAMES[:3]))
    with_nan = np.column_stack([SOME[:, :3], np.full((6, 2), np.nan)])
    np.testing.assert_allclose(lacking.output, model.predict(with_nan, output_margin=True), atol=1e-5)


def test_xgboost_stops_where_the_training_stopped(tmp_path: Path) -> None:
    """Trees after the best round are left out, as by the estimator that was saved."""
    model = xgboost.XGBClassifier(n_estimators=60, early_stopping_rounds=2, learning_rate=1.0)
    model.fit(X[:200], y[:200], eval_set=[(X[200:], y[200:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    model.save_model(tmp_path / "m.json")
    found = explained(ModelFile(str(tmp_path / "m.json"), features=NAMES))
    np.testing.assert_allclose(found.output, model.predict(SOME, output_margin=True), atol=1e-5)


def test_xgboost_of_many_classes_and_of_probabilities(tmp_path: Path) -> None:
    """The margin of the predicted class; the probability where asked."""
    model = xgboost.XGBClassifier(n_estimators=5).fit(X3, y3)
    model.save_model(tmp_path / "m.json")
    file = ModelFile(str(tmp_path / "m.json"), features=NAMES)
    found = explained(file, rows_of(X3[:6]))
    np.testing.assert_allclose(found.output, model.predict(X3[:6], output_margin=True).max(axis=1), atol=1e-5)
    found = explained(renamed(file, output="probability"), rows_of(X3[:6]))
    np.testing.assert_allclose(found.output, model.predict_proba(X3[:6]).max(axis=1), atol=1e-5)


@pytest.mark.filterwarnings("ignore:LightGBM binary classifier")
def test_lightgbm_files_give_the_values_of_the_tree_explainer(tmp_path: Path) -> None:
    """Of the margin, for two classes and for three."""
    two = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(X, y)
    two.booster_.save_model(tmp_path / "m.txt")
    file = ModelFile(str(tmp_path / "m.txt"), features=NAMES)
    found = explained(file)
    direct = shap.TreeExplainer(two.booster_).shap_values(SOME)
    np.testing.assert_allclose(found.values, direct, atol=1e-9)
    np.testing.assert_allclose(found.output, np.asarray(two.predict(SOME, raw_score=True)), atol=1e-9)
    three = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(X3, y3)
    three.booster_.save_model(tmp_path / "m.txt")
    found = explained(file, rows_of(X3[:6]))
    np.testing.assert_allclose(found.output, np.asarray(three.predict(X3[:6], raw_score=True)).max(axis=1), atol=1e-9)


def test_lightgbm_knows_its_own_categories(tmp_path: Path) -> None:
    """Texts of categorical columns are coded as the file says."""
    frame = table()
    frame["country"] = frame["country"].astype("category")
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, min_child_samples=5).fit(frame, y)
    model.booster_.save_model(tmp_path / "m.txt")
    found = explained(ModelFile(str(tmp_path / "m.txt")), FeatureRows.of_mappings(frame[:6].to_dict("records")))
    np.testing.assert_allclose(found.output, np.asarray(model.predict(frame[:6], raw_score=True)), atol=1e-9)


def test_declared_categories_are_codes(tmp_path: Path) -> None:
    """A text is its place in the list; one that is not in it is missing, as NaN."""
    frame = table()
    coded = frame.assign(country=frame["country"].map({"de": 0, "fr": 1, "cn": 2}).astype(float))
    model = xgboost.XGBClassifier(n_estimators=5).fit(coded, y)
    model.save_model(tmp_path / "m.json")
    file = ModelFile(str(tmp_path / "m.json"), categories={"country": ("de", "fr", "cn")})
    records = [*frame[:5].to_dict("records"), {"amount": 1.0, "country": "xx", "rate": 0.0}]
    coded = pd.concat([coded[:5], pd.DataFrame([{"amount": 1.0, "country": np.nan, "rate": 0.0}])])
    found = explained(file, FeatureRows.of_mappings(records))
    np.testing.assert_allclose(found.output, model.predict(coded, output_margin=True), atol=1e-5)


@pytest.mark.parametrize("maps", [True, False], ids=["list of maps", "tensor"])
def test_onnx_is_explained_by_permutations(maps: bool, tmp_path: Path) -> None:
    """As `shap.PermutationExplainer` of the converted estimator, whatever form its probabilities have."""
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    options = {} if maps else {id(estimator): {"zipmap": False}}
    (tmp_path / "m.onnx").write_bytes(to_onnx(estimator, X[:1].astype(np.float32), options=options).SerializeToString())
    found = explained(ModelFile(str(tmp_path / "m.onnx"), features=NAMES))
    direct = permuted(lambda rows: estimator.predict_proba(rows)[:, 1])
    np.testing.assert_allclose(found.values, direct, atol=1e-5)


def test_onnx_with_an_input_for_each_column(tmp_path: Path) -> None:
    """Names come from the inputs; texts go in as texts."""
    frame = table()
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["country"]), remainder="passthrough")
    pipeline = make_pipeline(encode, LogisticRegression()).fit(frame, y)
    inputs = [
        (name, StringTensorType([None, 1]) if name == "country" else FloatTensorType([None, 1])) for name in frame
    ]
    graph = to_onnx(pipeline, initial_types=inputs, options={id(pipeline): {"zipmap": False}})
    (tmp_path / "m.onnx").write_bytes(graph.SerializeToString())
    records = frame.to_dict("records")
    found = explained(
        ModelFile(str(tmp_path / "m.onnx")),
        FeatureRows.of_mappings(records[:6]),
        FeatureRows.of_mappings(records[100:150]),
    )
    np.testing.assert_allclose(found.output, pipeline.predict_proba(frame[:6])[:, 1], atol=1e-5)


def test_a_regression_in_onnx_is_explained_by_its_value(tmp_path: Path) -> None:
    """One output of shape (rows, 1)."""
    estimator = LinearRegression().fit(X, X @ np.arange(5.0))
    (tmp_path / "m.onnx").write_bytes(to_onnx(estimator, X[:1].astype(np.float32)).SerializeToString())
    found = explained(ModelFile(str(tmp_path / "m.onnx"), features=NAMES))
    np.testing.assert_allclose(found.output, estimator.predict(SOME), atol=1e-4)


@pytest.mark.filterwarnings("ignore:LightGBM binary classifier")
@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "sklearn"])
def test_estimators_in_trusted_joblib_files(library: str, tmp_path: Path) -> None:
    """The wrappers of XGBoost and LightGBM are explained as their native files are."""
    estimators = {
        "xgboost": xgboost.XGBClassifier(n_estimators=5),
        "lightgbm": lightgbm.LGBMClassifier(n_estimators=5, verbose=-1),
        "sklearn": GradientBoostingClassifier(n_estimators=5),
    }
    estimator = estimators[library].fit(X, y)
    found = explained(joblib_file(estimator, tmp_path / "m.joblib"))
    direct = shap.TreeExplainer(estimator).shap_values(SOME)
    np.testing.assert_allclose(found.values, direct, atol=1e-5)


def test_a_row_is_explained_the_same_alone_and_among_others(tmp_path: Path) -> None:
    """Permutations start from the seed for each row."""
    model = load(saved(KNeighborsClassifier().fit(X, y), tmp_path / "m.skops"))
    together = model.explain(rows_of(SOME), BACKGROUND, 3).values
    alone = [model.explain(rows_of(row[None, :]), BACKGROUND, 3).values[0] for row in SOME[::-1]]
    assert np.stack(alone[::-1]).tobytes() == together.tobytes()
