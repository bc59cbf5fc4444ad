"""The second interface with models of real frameworks, as upstream's scripts hand them over."""

from __future__ import annotations

import importlib.util
from typing import Any, Tuple

import numpy as np
import pytest

from sedna.core.federated_learning.trainers import make_trainer

needs = {name: pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")
         for name in ("torch", "tensorflow")}


def data(samples: int, seed: int) -> Tuple[Any, Any]:
    """Two classes that a line tells apart."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(samples, 8)).astype("float32")
    return x, (x[:, 0] + x[:, 1] > 0).astype("int64")


class Estimator:
    def __init__(self, model: Any, **hyperparameters: Any) -> None:
        self.model = model
        self.hyperparameters = {"type": "basic", "rounds": 1, "epochs": 15, "batch_size": 32, **hyperparameters}


def check_whole(estimator: Any, tmp_path: Any, name: str) -> None:
    trainer = make_trainer(estimator)
    assert trainer.samples(data(64, 0)) == 64
    result = trainer.train(data(400, 0), valid_data=data(200, 1))
    assert result["accuracy"] > 0.9
    weights = [np.array(w) for w in trainer.get_weights()]
    trainer.set_weights([w * 0 for w in weights])
    assert all((np.array(w) == 0).all() for w in trainer.get_weights())
    trainer.set_weights(weights)
    assert trainer._evaluate(data(200, 1))["accuracy"] == pytest.approx(result["accuracy"])
    trainer.save(str(tmp_path / name))
    assert list(tmp_path.iterdir())


def check_cut(estimator: Any, cut_layer: Any, width: int) -> None:
    trainer = make_trainer(estimator)
    features, targets = trainer.extract_features(data(400, 0), cut_layer)
    assert features.shape == (400, width) and features.dtype == np.float32
    assert (targets == data(400, 0)[1]).all()
    before = [np.array(w) for w in trainer.get_weights()]
    result = trainer.train_features(features, (targets,), cut_layer, data(200, 1))
    after = [np.array(w) for w in trainer.get_weights()]
    assert result["accuracy"] > 0.9
    moved = [not np.array_equal(a, b) for a, b in zip(before, after)]
    assert moved == [False, False, True, True]  # what clients compute stays, the rest learns


def torch_model() -> Any:
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.Tanh(), torch.nn.Linear(64, 2))


# FL-13.5
@needs["torch"]
# FL-13.5
def test_a_torch_module(tmp_path: Any) -> None:
    check_whole(Estimator(torch_model(), learning_rate=0.1, optimizer="SGD", momentum=0.9), tmp_path, "m.pth")
    check_cut(Estimator(torch_model(), learning_rate=0.1), 1, 64)
    with pytest.raises(ValueError, match="cut_layer"):
        check_cut(Estimator(torch_model()), 2, 64)


# FL-13.5
@needs["torch"]
# FL-13.5
def test_a_torch_module_with_platos_methods() -> None:
    import torch

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.front, self.back = torch.nn.Linear(8, 64), torch.nn.Linear(64, 2)

        def forward(self, x: Any) -> Any:
            return self.forward_from(self.forward_to(x, "front"), "front")

        def forward_to(self, x: Any, cut_layer: str) -> Any:
            assert cut_layer == "front"
            return torch.tanh(self.front(x))

        def forward_from(self, x: Any, cut_layer: str) -> Any:
            return self.back(x)

    check_cut(Estimator(Net, learning_rate=0.1), "front", 64)


def keras_model() -> Any:
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(64, "tanh", name="front"),
                              keras.layers.Dense(2, "softmax")])
    model.compile(loss="sparse_categorical_crossentropy", optimizer=keras.optimizers.Adam(0.01), metrics=["accuracy"])
    return model


# FL-13.5
@needs["tensorflow"]
# FL-13.5
def test_a_keras_model(tmp_path: Any) -> None:
    import tensorflow as tf

    check_whole(Estimator(keras_model(), use_tensorflow=True, is_compiled=True), tmp_path, "m.keras")
    check_cut(Estimator(keras_model()), "front", 64)
    check_cut(Estimator(keras_model()), 0, 64)
    # Upstream's example hands over batched tf.data sets.
    trainer = make_trainer(Estimator(keras_model()))
    dataset = tf.data.Dataset.from_tensor_slices(data(96, 0)).batch(32)
    assert trainer.samples(dataset) == 96
    assert trainer.train(dataset, valid_data=dataset)["accuracy"] > 0.8
    assert trainer.extract_features(dataset, "front")[0].shape == (96, 64)
