"""The digits' network as scikit-learn's MLPClassifier, with the methods that a federated estimator needs."""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier


class Network:
    def __init__(self, seed: int = 0) -> None:
        self.model = MLPClassifier((64,), solver="sgd", learning_rate_init=0.1, momentum=0, batch_size=32, random_state=seed)
        # It has weights once it has seen the classes; everybody begins with the same ones.
        self.model.partial_fit(np.zeros((10, 64)), range(10), classes=range(10))

    def train(self, train_data, valid_data=None, epochs=5, batch_size=32):
        self.model.batch_size = min(batch_size, len(train_data.x))
        for _ in range(epochs):
            self.model.partial_fit(train_data.x, train_data.y)
        return {"loss": [float(self.model.loss_)]}

    def predict(self, x):
        return self.model.predict_proba(x)

    def accuracy(self, x, y):
        return float(self.model.score(x, y))

    def get_weights(self):
        return [*self.model.coefs_, *self.model.intercepts_]

    def set_weights(self, weights):
        for own, value in zip(self.get_weights(), weights):
            own[...] = value

    def save(self, path):
        with open(path, "wb") as file:
            np.savez(file, *self.get_weights())

    def load(self, path):
        with np.load(path) as model:
            self.set_weights([model[name] for name in model.files])
