"""scikit-learn estimators saved with joblib or pickle: loading runs code from the file, so it must be trusted."""

from __future__ import annotations

import io

from daemon.explain.models import Format, Model, ModelFile


def load(data: bytes, file: ModelFile) -> Model:
    """The estimator in a joblib file, whose content the digest in the configuration vouches for."""
    import joblib

    from daemon.explain.estimators import explainable

    return explainable(joblib.load(io.BytesIO(data)), file)


FORMAT = Format("joblib", (".joblib", ".pkl", ".pickle"), ("joblib", "sklearn"), "sklearn", load, runs_code=True)
