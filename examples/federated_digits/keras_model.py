"""The digits' network in Keras, with the methods that a federated estimator needs (BACKEND_TYPE=KERAS)."""

from __future__ import annotations

import keras
import numpy as np


class Network:
    def __init__(self, seed: int = 0) -> None:
        keras.utils.set_random_seed(seed)  # everybody begins with the same weights
        self.model = keras.Sequential([
            keras.Input((64,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ])
        self.model.compile(optimizer=keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy")

    def train(self, train_data, valid_data=None, epochs=5, batch_size=32):
        history = self.model.fit(np.asarray(train_data.x, "float32"), train_data.y, epochs=epochs, batch_size=batch_size,
                                 verbose=0)
        return {"loss": history.history["loss"][-1:]}

    def predict(self, x):
        return self.model.predict(np.asarray(x, "float32"), verbose=0)

    def accuracy(self, x, y):
        return float(np.mean(self.predict(x).argmax(axis=1) == y))

    def get_weights(self):
        return self.model.get_weights()

    def set_weights(self, weights):
        self.model.set_weights(weights)

    def save(self, path):
        self.model.save(path)

    def load(self, path):
        self.model = keras.models.load_model(path)
