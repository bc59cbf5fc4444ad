"""ONNX files through the onnxruntime package (``pip install sedna[onnx]``)."""

from __future__ import annotations

import os
from typing import Any, Callable, Optional

import numpy as np

from sedna.backend.base import BackendBase

__all__ = ["OnnxBackend"]


class OnnxBackend(BackendBase):
    """The estimator may be the path of an .onnx file, or any object with ``predict``.

    A file's first input is given the sample in the type that it wants; the output called ``probabilities``, else the
    first floating-point one, is the answer.
    """

    def __init__(self, estimator: Any, fine_tune: bool = True, **kwargs: Any) -> None:
        super().__init__(estimator=estimator, fine_tune=fine_tune, **kwargs)
        self.framework = "onnx"
        self._session: Any = None

    def predictor(self) -> Callable[..., Any]:
        if not isinstance(self.estimator, (str, os.PathLike)):
            return super().predictor()
        if self._session is None:
            self._open(os.fspath(self.estimator))
        session = self._session
        source = session.get_inputs()[0]
        outputs = session.get_outputs()
        floating = [o.name for o in outputs if o.type in ("tensor(float)", "tensor(double)", "tensor(float16)")]
        named = [o.name for o in outputs if o.name == "probabilities"]
        wanted = (named or floating or [outputs[0].name])[:1]
        dtype = _numpy_type(source.type)

        def forward(data: Any) -> Any:
            return session.run(wanted, {source.name: np.ascontiguousarray(data, dtype=dtype)})[0]

        return forward

    def load(self, model_url: str = "", model_name: Optional[str] = None, **kwargs: Any) -> None:
        """A file given as estimator is opened; MODEL_URL, when it names a file, wins over it."""
        if not isinstance(self.estimator, (str, os.PathLike)):
            super().load(model_url, model_name, **kwargs)
            return
        path = self._local_model(model_url, model_name) if model_url else None
        self._open(path if path and os.path.isfile(path) else os.fspath(self.estimator))
        self.has_load = True

    def _open(self, path: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # One thread per call and no spinning: parallelism is the callers', and edge cores are shared.
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _numpy_type(name: str) -> Any:
    types = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
             "tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(int32)": np.int32, "tensor(int64)": np.int64,
             "tensor(bool)": np.bool_, "tensor(string)": np.object_}
    return types.get(name)
