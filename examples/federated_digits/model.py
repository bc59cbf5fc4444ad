"""A small network in numpy alone (64-64-10, ReLU, softmax), with the methods that a federated estimator needs."""

from __future__ import annotations

import numpy as np


class Network:
    """``train``, ``get_weights``, ``set_weights``, ``save``: that is all that FederatedLearning asks for."""

    def __init__(self, seed: int = 0) -> None:
        # Everybody begins with the same weights: the mean of unrelated networks would mean nothing.
        random = np.random.RandomState(seed)
        self.w1 = random.randn(64, 64) * np.sqrt(2 / 64)
        self.b1 = np.zeros(64)
        self.w2 = random.randn(64, 10) * np.sqrt(2 / 64)
        self.b2 = np.zeros(10)
        self.shuffle = np.random.RandomState(seed + 1)

    def train(self, train_data, valid_data=None, epochs=5, batch_size=32, learning_rate=0.1, policy=None):
        """SGD on the cross entropy; the mean loss of the last epoch. ``policy`` is the federated algorithm's part."""
        x, y = train_data.x, train_data.y
        losses = []
        for _ in range(epochs):
            order = self.shuffle.permutation(len(x))
            losses = [self._step(x[b], y[b], learning_rate, policy)
                      for b in (order[i:i + batch_size] for i in range(0, len(x), batch_size))]
        return {"loss": [float(np.mean(losses))]}

    def _step(self, x, y, rate, policy):
        loss, gradients = self._gradients(x, y)
        if policy is not None:
            gradients = policy.gradient(self.get_weights(), gradients, rate)
        for weights, gradient in zip(self.get_weights(), gradients):
            weights -= rate * gradient
        return loss

    def _gradients(self, x, y):
        hidden = np.maximum(x @ self.w1 + self.b1, 0)
        p = self._softmax(hidden @ self.w2 + self.b2)
        loss = -np.mean(np.log(p[np.arange(len(y)), y] + 1e-12))
        p[np.arange(len(y)), y] -= 1
        p /= len(y)
        back = (p @ self.w2.T) * (hidden > 0)
        return loss, [x.T @ back, back.sum(0), hidden.T @ p, p.sum(0)]

    @staticmethod
    def _softmax(z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def predict(self, x):
        return self._softmax(np.maximum(x @ self.w1 + self.b1, 0) @ self.w2 + self.b2)

    def accuracy(self, x, y):
        return float(np.mean(self.predict(x).argmax(axis=1) == y))

    def get_weights(self):
        return [self.w1, self.b1, self.w2, self.b2]

    def set_weights(self, weights):
        self.w1, self.b1, self.w2, self.b2 = (np.array(w) for w in weights)

    def save(self, path):
        with open(path, "wb") as file:  # savez would add an extension of its own
            np.savez(file, w1=self.w1, b1=self.b1, w2=self.w2, b2=self.b2)

    def load(self, path):
        with np.load(path) as model:
            self.set_weights([model["w1"], model["b1"], model["w2"], model["b2"]])
