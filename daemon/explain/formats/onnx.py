"""ONNX graphs, explained by permutations: nothing is known of them but what goes in and what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np

from daemon.explain.models import Format, Model, ModelFile, ModelRefused, ordered_features
from processors.rows import Floats

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}


def load(data: bytes, file: ModelFile) -> Model:
    """The graph in an ONNX file: one input of shape (rows, features), or one of shape (rows, 1) per feature."""
    import onnxruntime

    from daemon.explain.methods import FunctionModel, Words

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    output = _output(session, file)
    if len(inputs) == 1 and inputs[0].shape[-1] != 1:
        width = inputs[0].shape[-1]
        features = ordered_features(file, (), width if isinstance(width, int) else len(file.features))
        words = None
    else:
        features = ordered_features(file, tuple(one.name for one in inputs), len(inputs))
        words = Words(file.categories)

    def predict(matrix: Floats) -> Floats:
        feed = _one_tensor(inputs[0], matrix) if words is None else _columns(inputs, matrix, features, words)
        return _numbers(session.run([output], feed)[0])

    model = FunctionModel(predict, features, file.categories, words)
    model.probability = True
    return model


def _output(session: Any, file: ModelFile) -> str:
    """The last output that holds numbers: of a classifier its probabilities, not its label."""
    numeric = [one.name for one in session.get_outputs() if "tensor(float" in one.type or "tensor(double" in one.type]
    if not numeric:
        raise ModelRefused(f"{file.path}: has no output of floating-point numbers to explain.")
    return str(numeric[-1])


def _one_tensor(wanted: Any, matrix: Floats) -> dict[str, Any]:
    return {wanted.name: matrix.astype(_dtype(wanted))}


def _columns(inputs: Any, matrix: Floats, features: tuple[str, ...], words: Any) -> dict[str, Any]:
    feed = {}
    for place, (wanted, feature) in enumerate(zip(inputs, features, strict=True)):
        column, dtype = words.column(feature, matrix[:, place]), _dtype(wanted)
        if dtype is object:
            column = np.array(["" if word is None else str(word) for word in column.tolist()], object)
        elif column.dtype == object:
            column = np.full(len(matrix), np.nan)
        if np.issubdtype(dtype, np.integer) or dtype is np.bool_:
            column = np.nan_to_num(column)
        feed[wanted.name] = column.astype(dtype).reshape(-1, 1)
    return feed


def _dtype(wanted: Any) -> Any:
    if wanted.type not in _TYPES:
        raise ModelRefused(f"the input {wanted.name} is a {wanted.type}, which cannot be fed with features.")
    return _TYPES[wanted.type]


def _numbers(output: Any) -> Floats:
    """An output as float64 (rows,) or (rows, classes); some converters give a list of {class: probability}."""
    if isinstance(output, list):
        output = [list(row.values()) for row in output]
    numbers = np.asarray(output, np.float64)
    return numbers.reshape(len(numbers), -1) if numbers.ndim != 1 else numbers


FORMAT = Format("onnx", (".onnx",), ("onnxruntime",), "onnx", load)
