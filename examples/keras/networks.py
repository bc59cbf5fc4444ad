"""The example's two networks and its data: scikit-learn's handwritten digits."""

from __future__ import annotations

import keras
import numpy as np
from sklearn.datasets import load_digits


def small() -> keras.Model:
    """What the edge runs: 650 weights."""
    return keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, activation="softmax")])


def big() -> keras.Model:
    """What the cloud runs."""
    layers = keras.layers
    return keras.Sequential([
        keras.Input((64,)), layers.Reshape((8, 8, 1)), layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax"),
    ])


def samples(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images float32 [n, 64] in 0..1 and digits [n]; ``part`` is "train" (the first 80 %) or "test" (the rest)."""
    data = load_digits()
    images = (data.data / 16).astype(np.float32)
    cut = len(images) * 4 // 5
    return (images[:cut], data.target[:cut]) if part == "train" else (images[cut:], data.target[cut:])
