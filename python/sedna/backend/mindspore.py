"""MindSpore estimators."""

from __future__ import annotations

import os
from typing import Any, Callable

from sedna.backend.base import BackendBase

__all__ = ["MSBackend"]


class MSBackend(BackendBase):
    """An estimator on MindSpore; the device follows DEVICE_CATEGORY (NPU or ASCEND, GPU, CPU) when MindSpore is first used."""

    def __init__(self, estimator: Any, fine_tune: bool = True, **kwargs: Any) -> None:
        super().__init__(estimator=estimator, fine_tune=fine_tune, **kwargs)
        self.framework = "mindspore"
        self._context_set = False

    def predictor(self) -> Callable[..., Any]:
        self._set_context()
        return super().predictor()

    def load(self, *args: Any, **kwargs: Any) -> None:
        """As BackendBase, after the device is chosen."""
        self._set_context()
        super().load(*args, **kwargs)

    def _set_context(self) -> None:
        if self._context_set:
            return
        self._context_set = True
        import mindspore

        category = os.environ.get("DEVICE_CATEGORY", "CPU").upper()
        target = "Ascend" if category in ("NPU", "ASCEND") else "GPU" if category == "GPU" else "CPU"
        mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target=target)

    def get_weights(self) -> Any:
        """The estimator's weights."""
        return self.instantiate().get_weights()

    def set_weights(self, weights: Any) -> None:
        """Sets the estimator's weights."""
        self.instantiate().set_weights(weights)
