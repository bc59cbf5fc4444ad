"""A training worker of a FederatedLearningJob, as a user of upstream's library writes it: softmax regression in numpy."""

from __future__ import annotations

import os
import time

import numpy as np

from sedna.common.config import BaseConfig
from sedna.core.federated_learning import FederatedLearning


class Data:
    def __init__(self, path: str) -> None:
        with np.load(path) as file:
            self.x, self.y = file["x"], file["y"]

    def __len__(self) -> int:
        return len(self.x)


class Estimator:
    def __init__(self) -> None:
        self.w, self.b = np.zeros((64, 10)), np.zeros(10)

    def train(self, train_data, valid_data=None, epochs=20, **kwargs):
        time.sleep(float(os.environ.get("EPOCH_SECONDS", "0")))  # hardware that takes its time
        for _ in range(epochs):
            p = self.predict(train_data.x)
            p[np.arange(len(p)), train_data.y] -= 1
            self.w -= 0.5 * train_data.x.T @ p / len(p)
            self.b -= 0.5 * p.mean(0)
        p = self.predict(train_data.x)
        return {"loss": [float(-np.mean(np.log(p[np.arange(len(p)), train_data.y] + 1e-12)))],
                "accuracy": float(np.mean(p.argmax(1) == train_data.y))}

    def predict(self, x):
        z = x @ self.w + self.b
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def get_weights(self):
        return [self.w, self.b]

    def set_weights(self, weights):
        self.w, self.b = (np.array(w, dtype=float) for w in weights)

    def save(self, path):
        with open(path, "wb") as file:
            np.savez(file, w=self.w, b=self.b)


if __name__ == "__main__":
    FederatedLearning(estimator=Estimator(), aggregation="FedAvg").train(Data(BaseConfig.train_dataset_url), epochs=20)
