"""Puts a user's estimator behind one face, whatever framework it is written in.

``BACKEND_TYPE`` names the framework; it is read when a backend is made. A framework is imported only when the estimator
needs it, and one that is not installed costs a log line, never the job: any object with ``predict`` works.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any, Dict, Optional, Tuple

from sedna.backend.base import BackendBase
from sedna.common.config import BaseConfig
from sedna.common.log import LOGGER

__all__ = ["BackendBase", "set_backend"]

# name: (module, class, what must be installed)
_BACKENDS: Dict[str, Tuple[str, str, str]] = {
    "TENSORFLOW": ("sedna.backend.tensorflow", "TFBackend", "tensorflow"),
    "KERAS": ("sedna.backend.tensorflow", "KerasBackend", "keras"),
    "TORCH": ("sedna.backend.torch", "TorchBackend", "torch"),
    "MINDSPORE": ("sedna.backend.mindspore", "MSBackend", "mindspore"),
    "PADDLE": ("sedna.backend.paddle", "PaddleBackend", "paddle"),
    "ONNX": ("sedna.backend.onnx", "OnnxBackend", "onnxruntime"),
}


def set_backend(estimator: Any = None, config: Optional[Any] = None) -> Optional[BackendBase]:
    """The backend for an estimator (an object, or a class or function that makes one); None for None."""
    if estimator is None:
        return None
    config = config if config is not None else BaseConfig()
    name = (os.environ.get("BACKEND_TYPE") or config.backend_type or "").upper()
    use_cuda = "CUDA_VISIBLE_DEVICES" in os.environ
    if use_cuda:
        os.environ["DEVICE_CATEGORY"] = "GPU"
    backend: Any = BackendBase
    if name in _BACKENDS:
        module, class_name, needs = _BACKENDS[name]
        if importlib.util.find_spec(needs) is not None or (
            name == "KERAS" and importlib.util.find_spec("tensorflow") is not None
        ):
            backend = getattr(importlib.import_module(module), class_name)
        else:
            # Upstream's default is TENSORFLOW, and a script that needs no framework must not die of its absence.
            LOGGER.info("BACKEND_TYPE is %s and %s is not installed: the estimator is used as it is", name, needs)
    elif name not in ("", "SKLEARN"):
        LOGGER.warning("BACKEND_TYPE %s has no backend of its own: the estimator is used as it is", name)
    return backend(  # type: ignore[no-any-return]
        estimator=estimator,
        use_cuda=use_cuda,
        fine_tune=True,
        model_save_path=config.get("base_model_url") or config.get("model_url"),
        model_name=config.get("model_name"),
    )
