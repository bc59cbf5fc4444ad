"""The digits' network in MindSpore, with the methods that a federated estimator needs (BACKEND_TYPE=MINDSPORE)."""

from __future__ import annotations

import mindspore
import numpy as np
from mindspore import nn


class Network:
    def __init__(self, seed: int = 0) -> None:
        mindspore.set_seed(seed)
        self.layers = nn.SequentialCell(nn.Dense(64, 64), nn.ReLU(), nn.Dense(64, 10))
        # Everybody begins with the same weights.
        random = np.random.RandomState(seed)
        self.set_weights([random.randn(*p.shape) * np.sqrt(2 / 64) * (len(p.shape) == 2)
                          for p in self.layers.trainable_params()])
        self.shuffle = np.random.RandomState(seed + 1)

    def train(self, train_data, valid_data=None, epochs=5, batch_size=32, learning_rate=0.1):
        x, y = np.asarray(train_data.x, "float32"), np.asarray(train_data.y, "int32")
        cross_entropy = nn.CrossEntropyLoss()
        optimizer = nn.SGD(self.layers.trainable_params(), learning_rate)
        step = mindspore.value_and_grad(lambda a, b: cross_entropy(self.layers(a), b), None, optimizer.parameters)
        losses = []
        for _ in range(epochs):
            order = self.shuffle.permutation(len(x))
            losses = []
            for batch in (order[i:i + batch_size] for i in range(0, len(x), batch_size)):
                loss, gradients = step(mindspore.Tensor(x[batch]), mindspore.Tensor(y[batch]))
                optimizer(gradients)
                losses.append(float(loss.asnumpy()))
        return {"loss": [float(np.mean(losses))]}

    def predict(self, x):
        return nn.Softmax()(self.layers(mindspore.Tensor(np.asarray(x, "float32")))).asnumpy()

    def accuracy(self, x, y):
        return float(np.mean(self.predict(x).argmax(axis=1) == y))

    def get_weights(self):
        return [p.asnumpy() for p in self.layers.trainable_params()]

    def set_weights(self, weights):
        for parameter, value in zip(self.layers.trainable_params(), weights):
            parameter.set_data(mindspore.Tensor(np.asarray(value, "float32")))

    def save(self, path):
        mindspore.save_checkpoint(self.layers, path)

    def load(self, path):
        mindspore.load_param_into_net(self.layers, mindspore.load_checkpoint(path))
