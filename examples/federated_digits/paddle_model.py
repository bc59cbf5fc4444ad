"""The digits' network in PaddlePaddle, with the methods that a federated estimator needs (BACKEND_TYPE=PADDLE)."""

from __future__ import annotations

import numpy as np
import paddle


class Network:
    def __init__(self, seed: int = 0) -> None:
        paddle.seed(seed)  # everybody begins with the same weights
        self.layers = paddle.nn.Sequential(paddle.nn.Linear(64, 64), paddle.nn.ReLU(), paddle.nn.Linear(64, 10))
        self.shuffle = np.random.RandomState(seed + 1)

    def train(self, train_data, valid_data=None, epochs=5, batch_size=32, learning_rate=0.1):
        x, y = np.asarray(train_data.x, "float32"), np.asarray(train_data.y, "int64")
        optimizer = paddle.optimizer.SGD(learning_rate, parameters=self.layers.parameters())
        losses = []
        for _ in range(epochs):
            order = self.shuffle.permutation(len(x))
            losses = []
            for batch in (order[i:i + batch_size] for i in range(0, len(x), batch_size)):
                loss = paddle.nn.functional.cross_entropy(self.layers(paddle.to_tensor(x[batch])), paddle.to_tensor(y[batch]))
                loss.backward()
                optimizer.step()
                optimizer.clear_grad()
                losses.append(float(loss))
        return {"loss": [float(np.mean(losses))]}

    def predict(self, x):
        with paddle.no_grad():
            return paddle.nn.functional.softmax(self.layers(paddle.to_tensor(np.asarray(x, "float32")))).numpy()

    def accuracy(self, x, y):
        return float(np.mean(self.predict(x).argmax(axis=1) == y))

    def get_weights(self):
        return [p.numpy() for p in self.layers.parameters()]

    def set_weights(self, weights):
        for parameter, value in zip(self.layers.parameters(), weights):
            parameter.set_value(np.asarray(value, "float32"))

    def save(self, path):
        paddle.save(self.layers.state_dict(), path)

    def load(self, path):
        self.layers.set_state_dict(paddle.load(path))
