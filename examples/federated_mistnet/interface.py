"""What the clients and the server share, in the shape of upstream's MistNet example: data, estimator, aggregation."""

import os
from pathlib import Path

import numpy as np

from sedna.algorithms.aggregation import MistNet
from sedna.algorithms.client_choose import SimpleClientChoose
from sedna.core.federated_learning import FederatedLearningV2

FEATURES = 256
CLASSES = 10

simple_chooser = SimpleClientChoose(per_round=int(os.environ.get("PARTICIPANTS_COUNT", "1")))
mistnet = MistNet(cut_layer=0, epsilon=float(os.environ.get("EPSILON", "100")), noise=os.environ.get("NOISE", "symmetric"))
transmitter = FederatedLearningV2.get_transmitter_from_config()


class Dataset:
    """Digits from a file; a client has some to train on, the server has some to test with."""

    def __init__(self, trainset=None, testset=None):
        self.customized = True
        self.trainset = read(trainset) if trainset else None
        self.testset = read(testset) if testset else None


def read(path):
    with np.load(path) as data:
        return data["x"], data["y"]


class Network:
    """64 pixels, 256 features, 10 digits. The first layer is the same everywhere and is not trained: it is what clients
    compute. The rest is what the server learns, from features only."""

    def __init__(self, epochs, rate):
        random = np.random.default_rng(7)
        self.front = random.normal(size=(64, FEATURES)).astype("float32") / 8
        self.shift = -random.uniform(0, 1, FEATURES).astype("float32")
        self.head = np.zeros((FEATURES, CLASSES), "float32")
        self.bias = np.zeros(CLASSES, "float32")
        self.epochs, self.rate = epochs, rate
        self.bits = mistnet.noise != "none"

    def get_weights(self):
        return [self.front, self.shift, self.head, self.bias]

    def set_weights(self, weights):
        self.front, self.shift, self.head, self.bias = (np.array(w, "float32") for w in weights)

    def features(self, x):
        return x @ self.front + self.shift

    def extract_features(self, data, cut_layer):
        """At a client: what leaves it is this, noised, and the labels."""
        x, y = data
        return self.features(x), y

    def train(self, train_data, valid_data=None, cut_layer=None):
        """At the server, on features: a softmax layer by gradient descent."""
        x, y = train_data
        step = self.rate / np.mean(np.sum(x * x, axis=1))  # estimates of noised bits are larger than bits
        wanted = np.eye(CLASSES, dtype="float32")[y]
        random = np.random.default_rng(1)
        loss = 0.0
        for _ in range(self.epochs):
            for rows in np.array_split(random.permutation(len(x)), max(1, len(x) // 32)):
                logits = x[rows] @ self.head + self.bias
                p = np.exp(logits - logits.max(1, keepdims=True))
                p /= p.sum(1, keepdims=True)
                error = p - wanted[rows]
                self.head -= step * (x[rows].T @ error) / len(rows)
                self.bias -= step * error.mean(0)
                loss = float(-np.log(p[np.arange(len(rows)), y[rows]] + 1e-12).mean())
        return {"loss": loss}

    def evaluate(self, data):
        x, y = data
        features = self.features(x)
        features = (features > 0).astype("float32") if self.bits else features
        return float(np.mean((features @ self.head + self.bias).argmax(1) == y))

    def save(self, path):
        np.savez(Path(path).with_suffix(".npz"), *self.get_weights())


class Estimator:
    """Upstream's shape: a model and its hyperparameters."""

    def __init__(self):
        self.hyperparameters = {"type": "basic", "rounds": 1, "epochs": 60, "learning_rate": 4.0, "model_name": "digits"}
        self.model = Network(self.hyperparameters["epochs"], self.hyperparameters["learning_rate"])
