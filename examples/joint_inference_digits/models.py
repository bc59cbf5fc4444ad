"""The two models of the example, trained on scikit-learn's 1,797 real scans of handwritten digits.

The *edge* model is one a small device can run: a perceptron with 16 hidden units. The *cloud* model is the better one: a
support vector machine. Everything is split once, with a fixed seed: 30 % for the test, a quarter of the rest for
calibration; neither part is seen in training.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC


@dataclass(frozen=True)
class Split:
    """Images as float32 [n, 64] in 0..1 and their digits as int64 [n]."""

    images: np.ndarray
    digits: np.ndarray


def load_splits(seed: int) -> dict[str, Split]:
    """``train``, ``calibration`` and ``test``: three disjoint parts of the data."""
    digits = load_digits()
    images = (digits.data / 16.0).astype(np.float32)
    labels = digits.target.astype(np.int64)
    rest_x, test_x, rest_y, test_y = train_test_split(images, labels, test_size=0.3, random_state=seed, stratify=labels)
    train_x, cal_x, train_y, cal_y = train_test_split(rest_x, rest_y, test_size=0.25, random_state=seed, stratify=rest_y)
    return {"train": Split(train_x, train_y), "calibration": Split(cal_x, cal_y), "test": Split(test_x, test_y)}


def train_and_export(folder: Path, seed: int) -> None:
    """Trains both models and writes ``edge`` and ``cloud`` as .joblib and .onnx, and each split as .npz, into ``folder``."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    folder.mkdir(parents=True, exist_ok=True)
    splits = load_splits(seed)
    for name, split in splits.items():
        np.savez(folder / f"{name}.npz", input=split.images, label=split.digits)
    test = splits["test"]
    index = "".join(f"test.npz#{i} {digit}\n" for i, digit in enumerate(test.digits))
    (folder / "index.txt").write_text(index, encoding="utf-8")  # the Dataset's index: a line a sample
    train = splits["train"]
    models = {
        "edge": MLPClassifier(hidden_layer_sizes=(16,), max_iter=600, random_state=seed),
        "cloud": SVC(kernel="rbf", C=10, gamma=0.256),
    }
    for name, model in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the small model may stop early: it is meant to be weak
            model.fit(train.images, train.digits)
        joblib.dump(model, folder / f"{name}.joblib")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # the converter asks scikit-learn for attributes it will drop
            onnx_model = convert_sklearn(
                model,
                initial_types=[("input", FloatTensorType([None, 64]))],
                options={id(model): {"zipmap": False}},
                target_opset={"": 17, "ai.onnx.ml": 3},
            )
        (folder / f"{name}.onnx").write_bytes(onnx_model.SerializeToString())
