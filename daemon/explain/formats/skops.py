"""scikit-learn estimators saved with skops: nothing in the file is executed that is not known to be harmless."""

from __future__ import annotations

from daemon.explain.models import Format, Model, ModelFile, ModelRefused

TRUSTED = frozenset(
    {
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRegressor",
        "sklearn._loss.link.IdentityLink",
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogLink",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.link.MultinomialLogit",
        "sklearn._loss.loss.AbsoluteError",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn._loss.loss.HalfGammaLoss",
        "sklearn._loss.loss.HalfMultinomialLoss",
        "sklearn._loss.loss.HalfPoissonLoss",
        "sklearn._loss.loss.HalfSquaredError",
        "sklearn._loss.loss.PinballLoss",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRegressor",
    }
)
"""Parts of estimators that skops does not itself trust; the same release of their library made them."""


def load(data: bytes, file: ModelFile) -> Model:
    """The estimator in a skops file. Raises `ModelRefused`, naming them, if it holds other types."""
    import skops.io

    from daemon.explain.estimators import explainable

    allowed = TRUSTED | set(file.trusted)
    unknown = sorted(set(skops.io.get_untrusted_types(data=data)) - allowed)
    if unknown:
        raise ModelRefused(f"{file.path}: holds types that are not trusted: {', '.join(unknown)}.")
    found = set(skops.io.get_untrusted_types(data=data))
    return explainable(skops.io.loads(data, trusted=sorted(found)), file)


FORMAT = Format("skops", (".skops",), ("sklearn", "skops"), "sklearn", load)
