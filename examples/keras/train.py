"""Trains both networks and writes edge.weights.h5 and cloud.weights.h5 into the folder given."""

from __future__ import annotations

import sys
from pathlib import Path

import keras
from networks import big, samples, small


def fit(model: keras.Model, epochs: int) -> keras.Model:
    model.compile(optimizer=keras.optimizers.Adam(0.003), loss="sparse_categorical_crossentropy")
    model.fit(*samples("train"), batch_size=64, epochs=epochs, verbose=0)
    return model


if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    fit(small(), 30).save_weights(folder / "edge.weights.h5")
    fit(big(), 12).save_weights(folder / "cloud.weights.h5")
