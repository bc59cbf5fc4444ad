"""The backend of any duck-typed estimator, and what those of the frameworks share."""

from __future__ import annotations

import inspect
import os
import tempfile
from typing import Any, Callable, Dict, List, Optional

from sedna.common.file_ops import FileOps
from sedna.common.log import LOGGER

_EXTENSIONS = {"pytorch": ".pth", "keras": ".pb", "tensorflow": ".pb", "mindspore": ".ckpt"}


class BackendBase:
    """Wraps an estimator: ``predict`` is all that inference needs; train, evaluate, save and load where it has them."""

    def __init__(self, estimator: Any, fine_tune: bool = True, **kwargs: Any) -> None:
        self.framework = ""
        self.estimator = estimator
        self.use_cuda = bool(kwargs.get("use_cuda", False))
        self.fine_tune = fine_tune
        self.model_save_path: str = kwargs.get("model_save_path") or "/tmp"  # noqa: S108  (upstream's default)
        self.default_name: Optional[str] = kwargs.get("model_name")
        self.has_load = False

    @property
    def model_name(self) -> str:
        """The configured file name, or ``model[_finetune_]<framework><extension>``."""
        if self.default_name:
            return self.default_name
        extension = _EXTENSIONS.get(self.framework, ".pkl")
        return f"model{'_finetune_' if self.fine_tune else ''}{self.framework}{extension}"

    @staticmethod
    def parse_kwargs(func: Any, **kwargs: Any) -> Dict[str, Any]:
        """Those of the arguments that the function takes: all when it has ``**kwargs`` (of that name), or is none."""
        if not callable(func):
            return kwargs
        try:
            parameters = inspect.signature(func).parameters
        except (TypeError, ValueError):
            return {}
        last = parameters.get("kwargs")
        if last is not None and last.kind is inspect.Parameter.VAR_KEYWORD:
            return kwargs
        return {k: v for k, v in kwargs.items() if k in parameters and _by_keyword(parameters[k])}

    # The estimator ---------------------------------------------------------------------------------------------------

    def instantiate(self, **kwargs: Any) -> Any:
        """The estimator as an object: a class (or a function that makes one) is called once."""
        estimator = self.estimator
        if inspect.isclass(estimator) or (inspect.isroutine(estimator) and not hasattr(estimator, "predict")):
            self.estimator = estimator(**self.parse_kwargs(estimator, **kwargs))
        return self.estimator

    def predictor(self) -> Callable[..., Any]:
        """What answers for one sample: bound once, so that a call costs nothing beside the model."""
        estimator = self.instantiate()
        predict = getattr(estimator, "predict", None)
        if callable(predict):
            return predict  # type: ignore[no-any-return]
        if callable(estimator):
            return estimator  # type: ignore[no-any-return]
        raise TypeError(f"the estimator {type(estimator).__name__} has no predict method and cannot be called")

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """``fit``, else ``train``, of the estimator."""
        return self._train_with(("fit", "train"), *args, **kwargs)

    def update(self, *args: Any, **kwargs: Any) -> Any:
        """``update``, else ``fit``, else ``train``, of the estimator."""
        return self._train_with(("update", "fit", "train"), *args, **kwargs)

    def _train_with(self, names: Any, *args: Any, **kwargs: Any) -> Any:
        estimator = self.instantiate(**kwargs)
        for name in names:
            method = getattr(estimator, name, None)
            if callable(method):
                return method(*args, **self.parse_kwargs(method, **kwargs))
        raise AttributeError(f"{type(estimator).__name__!r} object has none of: {', '.join(names)}")

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """The estimator's answer."""
        predict = self.predictor()
        return predict(*args, **self.parse_kwargs(predict, **kwargs)) if kwargs else predict(*args)

    def predict_proba(self, *args: Any, **kwargs: Any) -> Any:
        """The estimator's probabilities."""
        method = self.instantiate().predict_proba
        return method(*args, **self.parse_kwargs(method, **kwargs))

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """The estimator's evaluation."""
        method = self.instantiate().evaluate
        return method(*args, **self.parse_kwargs(method, **kwargs))

    # Models ----------------------------------------------------------------------------------------------------------

    def save(self, model_url: str = "", model_name: Optional[str] = None) -> str:
        """``estimator.save(path)`` under the save path, then a copy to ``model_url`` where given; returns where it is."""
        name = os.path.basename(model_name or self.model_name)
        if FileOps.is_remote(self.model_save_path):
            folder = tempfile.mkdtemp(prefix="sedna-")
            model_url = model_url or FileOps.join_path(self.model_save_path, name)
        else:
            folder = os.path.dirname(self.model_save_path) if os.path.isfile(self.model_save_path) else self.model_save_path
            FileOps.clean_folder(folder, clean=False)
        path = FileOps.join_path(folder, name)
        self.estimator.save(path)
        if model_url and os.path.exists(path):
            FileOps.upload(path, model_url)
            return model_url
        return path

    def model_info(self, model: str, relpath: Optional[str] = None, result: Any = None) -> List[Dict[str, Any]]:
        """How a model is reported: format by its extension, URL less the mount's prefix, metrics."""
        extension = os.path.splitext(model)[1].lstrip(".")
        return [{"format": extension, "url": FileOps.remove_path_prefix(model, relpath), "metrics": result}]

    def load(self, model_url: str = "", model_name: Optional[str] = None, **kwargs: Any) -> None:
        """Gives the model's file to the estimator's own ``load``; a remote one is downloaded first.

        An estimator without ``load`` is taken as loaded. The file itself is never unpickled here.
        """
        estimator = self.instantiate(**kwargs)
        load = getattr(estimator, "load", None)
        if not callable(load):
            LOGGER.debug("%s has no load method: used as it is", type(estimator).__name__)
            self.has_load = True
            return
        path = self._local_model(model_url, model_name)
        if path is None:
            return
        self._call_load(load, path, **kwargs)
        self.has_load = True

    def _local_model(self, model_url: str, model_name: Optional[str]) -> Optional[str]:
        if not model_url:
            model_url = FileOps.join_path(self.model_save_path, model_name or self.model_name)
        if FileOps.is_remote(model_url):
            return FileOps.download(model_url)
        if os.path.isdir(model_url):
            inside = FileOps.join_path(model_url, model_name or self.model_name)
            return inside if os.path.exists(inside) else model_url
        return model_url

    def _call_load(self, load: Callable[..., Any], path: str, **kwargs: Any) -> None:
        """``load(model_url=path)``; positionally where the estimator calls it otherwise; bare where it takes nothing."""
        extra = self.parse_kwargs(load, **kwargs)
        extra.pop("model_url", None)
        try:
            parameters = list(inspect.signature(load).parameters.values())
        except (TypeError, ValueError):
            load(path)
            return
        names = {p.name for p in parameters if _by_keyword(p)}
        if "model_url" in names or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
            load(model_url=path, **extra)
        elif any(p.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD,
                            inspect.Parameter.VAR_POSITIONAL) for p in parameters):
            load(path, **{k: v for k, v in extra.items() if k != parameters[0].name})
        else:
            load(**extra)

    def set_weights(self, weights: Any) -> None:
        """The estimator's own ``set_weights``."""
        method = getattr(self.instantiate(), "set_weights", None)
        if not callable(method):
            raise NotImplementedError(f"{type(self.estimator).__name__} has no set_weights method")
        method(weights)

    def get_weights(self) -> Any:
        """The estimator's own ``get_weights``."""
        method = getattr(self.instantiate(), "get_weights", None)
        if not callable(method):
            raise NotImplementedError(f"{type(self.estimator).__name__} has no get_weights method")
        return method()


def _by_keyword(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
