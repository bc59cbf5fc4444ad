"""The digits' network in PyTorch, with the methods that a federated estimator needs (BACKEND_TYPE=TORCH)."""

from __future__ import annotations

import numpy as np
import torch


class Network:
    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)  # everybody begins with the same weights
        self.layers = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))

    def train(self, train_data, valid_data=None, epochs=5, batch_size=32, learning_rate=0.1, policy=None):
        """SGD on the cross entropy; ``policy`` is what a federated algorithm like SCAFFOLD does to each gradient."""
        x, y = torch.as_tensor(train_data.x, dtype=torch.float32), torch.as_tensor(train_data.y, dtype=torch.int64)
        optimizer = torch.optim.SGD(self.layers.parameters(), lr=learning_rate)
        losses = []
        for _ in range(epochs):
            losses = []
            for batch in torch.randperm(len(x)).split(batch_size):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(self.layers(x[batch]), y[batch])
                loss.backward()
                if policy is not None:
                    gradients = policy.gradient(self.get_weights(), [p.grad.numpy() for p in self.layers.parameters()],
                                                learning_rate)
                    for parameter, gradient in zip(self.layers.parameters(), gradients):
                        parameter.grad = torch.as_tensor(np.asarray(gradient, dtype="float32"))
                optimizer.step()
                losses.append(loss.item())
        return {"loss": [float(np.mean(losses))]}

    def predict(self, x):
        with torch.inference_mode():
            return self.layers(torch.as_tensor(x, dtype=torch.float32)).softmax(dim=1).numpy()

    def accuracy(self, x, y):
        return float(np.mean(self.predict(x).argmax(axis=1) == y))

    def get_weights(self):
        return [p.detach().numpy() for p in self.layers.parameters()]  # the tensors' own memory, not copies

    def set_weights(self, weights):
        with torch.no_grad():
            for parameter, value in zip(self.layers.parameters(), weights):
                parameter.copy_(torch.as_tensor(np.asarray(value)))

    def save(self, path):
        torch.save(self.layers.state_dict(), path)

    def load(self, path):
        self.layers.load_state_dict(torch.load(path, weights_only=True))
