"""scikit-learn estimators saved with skops: nothing in the file is executed that is not known to be harmless."""

from __future__ import annotations

from daemon.explain.models import Format, Model, ModelFile, ModelRefused

TRUSTED = frozenset(
    {
        "collections.OrderedDict",
        "functools.partial",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRegressor",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils.validation.check_array",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRegressor",
    }
)
"""What estimators are made of and skops does not itself trust: none of it does anything with what a file gives it but
compute. (A `partial` of anything else would bring that other name, which is refused.)"""


def load(data: bytes, file: ModelFile) -> Model:
    """The estimator in a skops file. Raises `ModelRefused`, naming them, if it holds other types."""
    import skops.io

    from daemon.explain.estimators import explainable

    named = sorted(skops.io.get_untrusted_types(data=data))
    unknown = [name for name in named if name not in TRUSTED and name not in file.trusted]
    if unknown:
        raise ModelRefused(f"{file.path}: holds types that are not trusted: {', '.join(unknown)}.")
    return explainable(skops.io.loads(data, trusted=named), file)


FORMAT = Format("skops", (".skops",), ("sklearn", "skops"), "sklearn", load)
