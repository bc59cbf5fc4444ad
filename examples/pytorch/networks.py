"""The example's two networks and its data: scikit-learn's handwritten digits."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits


def small() -> torch.nn.Module:
    """What the edge runs: 650 weights."""
    return torch.nn.Sequential(torch.nn.Linear(64, 10), torch.nn.Softmax(dim=-1))


def big() -> torch.nn.Module:
    """What the cloud runs."""
    return torch.nn.Sequential(
        torch.nn.Unflatten(-1, (1, 8, 8)), torch.nn.Conv2d(1, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(32 * 64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10), torch.nn.Softmax(dim=-1),
    )


def samples(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images float32 [n, 64] in 0..1 and digits [n]; ``part`` is "train" (the first 80 %) or "test" (the rest)."""
    data = load_digits()
    images = (data.data / 16).astype(np.float32)
    cut = len(images) * 4 // 5
    return (images[:cut], data.target[:cut]) if part == "train" else (images[cut:], data.target[cut:])
