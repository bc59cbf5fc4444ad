"""What every job of the package is made of: configuration, identity, estimator, reports."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, Mapping, Optional

from sedna._absent import missing
from sedna.backend import set_backend
from sedna.common.class_factory import ClassFactory, ClassType
from sedna.common.config import BaseConfig, Context
from sedna.common.constant import K8sResourceKind, K8sResourceKindStatus
from sedna.common.file_ops import FileOps
from sedna.common.log import LOGGER, refresh_level
from sedna.service.client import LCClient

__all__ = ("JobBase", "K8sResourceKind", "K8sResourceKindStatus")


def __getattr__(name: str) -> Any:
    if name == "ModelLoadingThread":
        raise missing("sedna.core.base.ModelLoadingThread", "incremental learning")
    raise AttributeError(f"module 'sedna.core.base' has no attribute {name!r}")


class JobBase:
    """Base of the features' classes. The environment is read here, when a job is made."""

    parameters = Context

    def __init__(self, estimator: Any, config: Optional[Mapping[str, Any]] = None) -> None:
        refresh_level()
        self.config: Any = _JobConfig(config)
        self.log = LOGGER
        self.estimator: Any = set_backend(estimator=estimator, config=self.config)
        self.job_kind = K8sResourceKind.DEFAULT.value
        self.job_name: str = self.config.job_name or self.config.service_name
        self.worker_name: str = self.config.worker_name or self.job_name
        self.namespace: str = self.config.namespace or self.job_name
        self.lc_server: str = self.config.lc_server
        self.model_load_mode: str = self.get_parameters("MODEL_LOAD_MODE", "file")
        self.start_time = time.strftime("%Y-%m-%d %H:%M:%S")

    @property
    def model_path(self) -> Optional[str]:
        """MODEL_URL when it names a file (or is not meant as one: MODEL_LOAD_MODE), else the file within it; None unset."""
        url: Optional[str] = self.config.model_url
        if not url:
            return self.get_parameters("model_path")  # type: ignore[no-any-return]
        if self.model_load_mode != "file" or os.path.isfile(url) or FileOps.is_remote(url):
            return url
        return self.get_parameters("model_path") or FileOps.join_path(url, self.estimator.model_name)

    def train(self, **kwargs: Any) -> Any:
        """Features that train override this."""
        raise NotImplementedError

    def inference(self, x: Any = None, post_process: Any = None, **kwargs: Any) -> Any:
        """The estimator's answer, through ``post_process`` (a function, or the name of a registered CALLBACK)."""
        result = self.estimator.predict(x, **kwargs)
        callback = self._callback(post_process)
        return callback(result) if callback else result

    def evaluate(self, data: Any, post_process: Any = None, **kwargs: Any) -> Any:
        """The estimator's evaluation, through ``post_process``."""
        result = self.estimator.evaluate(data, **kwargs)
        callback = self._callback(post_process)
        return callback(result) if callback else result

    def get_parameters(self, param: str, default: Any = None) -> Any:
        """A parameter of this job, from the environment."""
        return self.parameters.get_parameters(param=param, default=default)

    def report_task_info(self, task_info: Any, status: str, results: Any = None, kind: str = "train") -> None:
        """Tells the local controller where this worker's task stands."""
        message: Dict[str, Any] = {
            "name": self.worker_name,
            "namespace": self.namespace,
            "ownerName": self.job_name,
            "ownerKind": self.job_kind,
            "kind": kind,
            "status": status,
        }
        if results:
            message["results"] = results
        if task_info:
            message["ownerInfo"] = task_info
        LCClient.send(self.lc_server, self.worker_name, message)

    @staticmethod
    def _callback(post_process: Any) -> Any:
        if post_process is None or callable(post_process):
            return post_process
        return ClassFactory.get_cls(ClassType.CALLBACK, post_process)


class _JobConfig(BaseConfig):
    """The environment as it is when the job is made, with the job's own values on top."""

    def __init__(self, values: Optional[Mapping[str, Any]] = None) -> None:
        for name in self._names():
            setattr(self, name, getattr(self, name))
        for key, value in (values or {}).items():
            setattr(self, key, value)

