"""TensorFlow and Keras estimators. TensorFlow itself is imported by the estimator (or by what needs it), not here."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Optional

import numpy as np

from sedna.backend.base import BackendBase

__all__ = ["KerasBackend", "TFBackend"]


class TFBackend(BackendBase):
    """An estimator on TensorFlow 2. Unlike upstream's, it opens no TensorFlow 1 session, which would turn off eager mode."""

    def __init__(self, estimator: Any, fine_tune: bool = True, **kwargs: Any) -> None:
        super().__init__(estimator=estimator, fine_tune=fine_tune, **kwargs)
        self.framework = "tensorflow"

    def predictor(self) -> Callable[..., Any]:
        estimator = self.instantiate()
        if _is_keras_model(estimator):
            # Model.predict builds a dataset and a progress bar per call; calling the model answers the same.
            def forward(data: Any, **kwargs: Any) -> Any:
                return np.asarray(estimator(data, training=False, **kwargs))

            return forward
        return super().predictor()

    def load(self, model_url: str = "", model_name: Optional[str] = None, **kwargs: Any) -> None:
        """As BackendBase; a bare Keras model gets its weights from the file."""
        estimator = self.instantiate(**kwargs)
        if _is_keras_model(estimator):
            path = self._local_model(model_url, model_name)
            if path is not None:
                estimator.load_weights(path)
            self.has_load = True
            return
        super().load(model_url, model_name, **kwargs)

    def model_info(self, model: str, relpath: Optional[str] = None, result: Any = None) -> List[Dict[str, Any]]:
        """As BackendBase; a .pb is reported as a checkpoint folder too."""
        info = super().model_info(model, relpath, result)
        if info[0]["format"] == "pb":
            info.append({**info[0], "format": "ckpt", "url": os.path.dirname(info[0]["url"])})
        return info

    def load_weights(self) -> None:
        """Initial weights from the save path, where the estimator can take them."""
        path = os.path.join(self.model_save_path, self.model_name)
        method = getattr(self.instantiate(), "load_weights", None)
        if callable(method) and os.path.exists(path):
            method(path)

    def get_weights(self) -> Any:
        """The estimator's weights."""
        return self.instantiate().get_weights()

    def set_weights(self, weights: Any) -> None:
        """Sets the estimator's weights."""
        self.instantiate().set_weights(weights)


class KerasBackend(TFBackend):
    """A Keras estimator or a bare Keras model; weights travel as nested lists."""

    def __init__(self, estimator: Any, fine_tune: bool = True, **kwargs: Any) -> None:
        super().__init__(estimator=estimator, fine_tune=fine_tune, **kwargs)
        self.framework = "keras"

    def get_weights(self) -> List[Any]:
        """The weights as nested lists."""
        return [np.asarray(w).tolist() for w in self.instantiate().get_weights()]

    def set_weights(self, weights: Any) -> None:
        """Sets the weights from nested lists or arrays."""
        self.instantiate().set_weights([np.asarray(w) for w in weights])


def _is_keras_model(estimator: Any) -> bool:
    """Tells a bare Keras model by its classes' modules, without importing Keras."""
    return any(
        c.__name__ in ("Model", "Functional", "Sequential") and c.__module__.split(".")[0] in ("keras", "tensorflow", "tf_keras")
        for c in type(estimator).__mro__
    )
