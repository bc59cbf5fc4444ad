"""PyTorch estimators, and bare modules."""

from __future__ import annotations

import inspect
import sys
from typing import Any, Callable, Optional

import numpy as np

from sedna.backend.base import BackendBase

__all__ = ["TorchBackend"]


class TorchBackend(BackendBase):
    """An estimator that uses PyTorch, or a ``torch.nn.Module`` itself, called without gradients on arrays."""

    def __init__(self, estimator: Any, fine_tune: bool = True, **kwargs: Any) -> None:
        super().__init__(estimator=estimator, fine_tune=fine_tune, **kwargs)
        self.framework = "pytorch"
        self.device = "cuda" if self.use_cuda else "cpu"

    def predictor(self) -> Callable[..., Any]:
        estimator = self.instantiate()
        if not _is_module(estimator) or callable(getattr(estimator, "predict", None)):
            return super().predictor()
        torch = sys.modules["torch"]  # a module exists, so torch is loaded
        estimator.eval()
        estimator.to(self.device)

        def forward(data: Any, **kwargs: Any) -> Any:
            with torch.inference_mode():
                tensor = data if isinstance(data, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(data))
                return estimator(tensor.to(self.device), **kwargs).cpu().numpy()

        return forward

    def predict(self, data: Any, **kwargs: Any) -> Any:
        """The estimator's answer."""
        return super().predict(data, **kwargs)

    def evaluate(self, **kwargs: Any) -> Any:
        """The estimator's evaluation, with every argument as given."""
        return self.instantiate().evaluate(**kwargs)

    def load(self, model_url: str = "", model_name: Optional[str] = None, **kwargs: Any) -> None:
        """The estimator's own load (with the path only when it takes one), or weights into a bare module."""
        estimator = self.instantiate(**kwargs)
        if not _is_module(estimator) or callable(getattr(estimator, "load", None)):
            super().load(model_url, model_name, **kwargs)
            return
        path = self._local_model(model_url, model_name)
        if path is not None:
            torch = sys.modules["torch"]
            # weights_only: tensors and plain containers, never a program.
            estimator.load_state_dict(torch.load(path, map_location=self.device, weights_only=True))
        self.has_load = True

    def get_weights(self) -> Any:
        """The estimator's weights."""
        return self.instantiate().get_weights()

    def set_weights(self, weights: Any) -> None:
        """Sets the estimator's weights."""
        self.instantiate().set_weights(weights)


def _is_module(estimator: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and not inspect.isclass(estimator) and isinstance(estimator, torch.nn.Module)
