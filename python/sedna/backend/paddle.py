"""PaddlePaddle estimators, and bare layers."""

from __future__ import annotations

import inspect
import sys
from typing import Any, Callable

import numpy as np

from sedna.backend.base import BackendBase

__all__ = ["PaddleBackend"]


class PaddleBackend(BackendBase):
    """An estimator that uses PaddlePaddle, or a ``paddle.nn.Layer`` itself, called without gradients on arrays."""

    def __init__(self, estimator: Any, fine_tune: bool = True, **kwargs: Any) -> None:
        super().__init__(estimator=estimator, fine_tune=fine_tune, **kwargs)
        self.framework = "paddle"

    def predictor(self) -> Callable[..., Any]:
        estimator = self.instantiate()
        if not _is_layer(estimator) or callable(getattr(estimator, "predict", None)):
            return super().predictor()
        paddle = sys.modules["paddle"]
        estimator.eval()

        def forward(data: Any, **kwargs: Any) -> Any:
            with paddle.no_grad():
                tensor = data if isinstance(data, paddle.Tensor) else paddle.to_tensor(np.ascontiguousarray(data))
                return estimator(tensor, **kwargs).numpy()

        return forward


def _is_layer(estimator: Any) -> bool:
    paddle = sys.modules.get("paddle")
    return paddle is not None and not inspect.isclass(estimator) and isinstance(estimator, paddle.nn.Layer)
