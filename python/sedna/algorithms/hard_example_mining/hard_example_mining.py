"""The preset filters by name. The rules live in the core (one implementation for C++ and Python); here are their faces.

A filter is made with the resource's parameters (texts are fine) and called with what it judges; true means hard. Your
own is a class with ``__call__``, registered by ``@ClassFactory.register(ClassType.HEM, alias="Name")``.

Results that cannot be read in the form a filter needs (empty, of another shape, no numbers) are not hard.
"""

from __future__ import annotations

import abc
import logging
import random
from typing import Any, ClassVar, Dict, Tuple

from sedna.common.class_factory import ClassFactory, ClassType

__all__ = [
    "BaseFilter",
    "BertRouterFilter",
    "BoxCountFilter",
    "BoxMinScoreFilter",
    "CloudOnlyFilter",
    "CrossEntropyFilter",
    "EdgeOnlyFilter",
    "EnergyFilter",
    "EntropyFilter",
    "IBTFilter",
    "MSPFilter",
    "MarginFilter",
    "MaxLogitFilter",
    "RandomFilter",
    "TemperatureEntropyFilter",
    "TemperatureMSPFilter",
    "ThresholdFilter",
]

LOG = logging.getLogger(__name__)


class BaseFilter(metaclass=abc.ABCMeta):
    """What every filter is: a callable on one result."""

    def __call__(self, infer_result: Any = None) -> bool:
        """True when the sample is hard."""
        raise NotImplementedError

    @classmethod
    def data_check(cls, data: Any) -> bool:
        """Whether a value is a number within [0, 1]."""
        try:
            return 0.0 <= float(data) <= 1.0
        except (TypeError, ValueError):
            return False


def _number(filter_: BaseFilter, key: str, value: Any) -> float:
    """A parameter as a number; resources have them as text."""
    try:
        return float(value)
    except ValueError:
        name = type(filter_).__name__
        raise ValueError(f"{key}: is {value!r}, but {name} needs a number, for example 0.5") from None


class CoreFilter(BaseFilter):
    """A filter whose rule is the core's. Subclasses name it and its parameters with their defaults."""

    core_name: ClassVar[str] = ""
    core_parameters: ClassVar[Dict[str, float]] = {}

    def _set(self, **parameters: Any) -> None:
        for key, value in parameters.items():
            setattr(self, key, _number(self, key, value))

    def _set_more(self, parameters: Dict[str, Any]) -> None:
        """Parameters that the core's filter may know; texts, as a resource has them."""
        self._more = {key: str(value) for key, value in parameters.items()}

    @property
    def core(self) -> Any:
        """The core's filter, made from the attributes on first use."""
        made = self.__dict__.get("_core")
        if made is None:
            from sedna._native import native

            known = {key: repr(getattr(self, key)) for key in self.core_parameters}
            made = native.Filter(self.core_name, {**self.__dict__.get("_more", {}), **known})
            self.__dict__["_core"] = made
        return made

    def __getstate__(self) -> Dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_core"}

    def __call__(self, infer_result: Any = None) -> bool:
        return bool(self.core.hard(infer_result))

    def score(self, infer_result: Any) -> float:
        """How hard the result is: larger is harder; 0 when it cannot be read."""
        return float(self.core.score(infer_result))


@ClassFactory.register(ClassType.HEM, alias="Threshold")
class ThresholdFilter(CoreFilter, abc.ABC):
    """Boxes ``[x1, y1, x2, y2, score, …]``: hard when their mean score is below the threshold."""

    core_name = "Threshold"
    core_parameters = {"threshold": 0.5}

    def __init__(self, threshold: Any = 0.5, **kwargs: Any) -> None:
        self._set(threshold=threshold)


@ClassFactory.register(ClassType.HEM, alias="CrossEntropy")
class CrossEntropyFilter(CoreFilter, abc.ABC):
    """Probabilities: hard when ``1 + Σ p ln p / ln n`` is below the threshold."""

    core_name = "CrossEntropy"
    core_parameters = {"threshold_cross_entropy": 0.5}

    def __init__(self, threshold_cross_entropy: Any = 0.5, **kwargs: Any) -> None:
        self._set(threshold_cross_entropy=threshold_cross_entropy)


@ClassFactory.register(ClassType.HEM, alias="IBT")
class IBTFilter(CoreFilter, abc.ABC):
    """Boxes: hard when the share of scores at or below ``threshold_box`` is at least ``1 - threshold_img``."""

    core_name = "IBT"
    core_parameters = {"threshold_img": 0.5, "threshold_box": 0.5}

    def __init__(self, threshold_img: Any = 0.5, threshold_box: Any = 0.5, **kwargs: Any) -> None:
        self._set(threshold_box=threshold_box, threshold_img=threshold_img)


@ClassFactory.register(ClassType.HEM, alias="Random")
class RandomFilter(BaseFilter):
    """Hard with a probability, whatever the result; drawn from Python's global generator, so ``random.seed`` repeats it."""

    def __init__(self, random_ratio: Any = 0.3, **kwargs: Any) -> None:
        self.random_ratio = _number(self, "random_ratio", random_ratio)

    def __call__(self, *args: Any, **kwargs: Any) -> bool:
        return random.uniform(0, 1) < self.random_ratio  # noqa: S311


@ClassFactory.register(ClassType.HEM, alias="CloudOnly")
class CloudOnlyFilter(BaseFilter):
    """Everything is hard."""

    def __init__(self, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> bool:
        return True


@ClassFactory.register(ClassType.HEM, alias="EdgeOnly")
class EdgeOnlyFilter(BaseFilter):
    """Nothing is hard."""

    def __init__(self, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> bool:
        return False


class ScoreFilter(CoreFilter):
    """A score compared with a threshold: hard above it. ``input="logits"`` where the model gives logits."""

    core_parameters = {"threshold": 0.5}

    def __init__(self, threshold: Any = None, **kwargs: Any) -> None:
        self._set(threshold=self.core_parameters["threshold"] if threshold is None else threshold)
        self._set_more(kwargs)


class TemperatureFilter(ScoreFilter):
    """A score of logits divided by a fitted temperature (``sedna.calibrate`` finds it)."""

    def __init__(self, threshold: Any = None, temperature: Any = 1.0, **kwargs: Any) -> None:
        super().__init__(threshold, **kwargs)
        self._set(temperature=temperature)


@ClassFactory.register(ClassType.HEM, alias="MSP")
class MSPFilter(ScoreFilter):
    """Probabilities: ``1 - max p`` (Hendrycks & Gimpel 2017)."""

    core_name = "MSP"


@ClassFactory.register(ClassType.HEM, alias="Margin")
class MarginFilter(ScoreFilter):
    """Probabilities: ``1 - (p1 - p2)`` of the two largest (Scheffer 2001)."""

    core_name = "Margin"


@ClassFactory.register(ClassType.HEM, alias="Entropy")
class EntropyFilter(ScoreFilter):
    """Probabilities: the entropy, as a share of the largest possible (BranchyNet 2016)."""

    core_name = "Entropy"


@ClassFactory.register(ClassType.HEM, alias="TemperatureMSP")
class TemperatureMSPFilter(TemperatureFilter):
    """Logits: ``1 - max softmax(z / temperature)`` (Guo 2017)."""

    core_name = "TemperatureMSP"
    core_parameters = {"threshold": 0.5, "temperature": 1.0}


@ClassFactory.register(ClassType.HEM, alias="TemperatureEntropy")
class TemperatureEntropyFilter(TemperatureFilter):
    """Logits: the entropy of ``softmax(z / temperature)``."""

    core_name = "TemperatureEntropy"
    core_parameters = {"threshold": 0.5, "temperature": 1.0}


@ClassFactory.register(ClassType.HEM, alias="Energy")
class EnergyFilter(TemperatureFilter):
    """Logits: ``-T ln sum exp(z / T)`` (Liu 2020); its scale is the model's own, so calibrate it."""

    core_name = "Energy"
    core_parameters = {"threshold": 0.0, "temperature": 1.0}


@ClassFactory.register(ClassType.HEM, alias="MaxLogit")
class MaxLogitFilter(ScoreFilter):
    """Logits: ``-max z`` (Hendrycks 2022); its scale is the model's own, so calibrate it."""

    core_name = "MaxLogit"
    core_parameters = {"threshold": 0.0}


@ClassFactory.register(ClassType.HEM, alias="BoxCount")
class BoxCountFilter(ScoreFilter):
    """Boxes: how many have at least the score ``threshold_box``; none is hard when ``empty_is_hard``."""

    core_name = "BoxCount"
    core_parameters = {"threshold": 10.0}


@ClassFactory.register(ClassType.HEM, alias="BoxMinScore")
class BoxMinScoreFilter(ScoreFilter):
    """Boxes: ``1 - `` the smallest score."""

    core_name = "BoxMinScore"


@ClassFactory.register(ClassType.HEM, alias="BertRouter")
class BertRouterFilter(BaseFilter, abc.ABC):
    """Prompts: hard when the router model gives LABEL_0 a share below the threshold. Needs transformers, on first use."""

    def __init__(self, **kwargs: Any) -> None:
        self.kwargs = kwargs
        self.model = kwargs.get("model", "routellm/bert")
        self.task = kwargs.get("task", "text-classification")
        self.max_length = int(kwargs.get("max_length", 512))
        self.device = kwargs.get("device") or _device()
        self.threshold = float(kwargs.get("threshold", 0.5))
        pipeline = _pipeline()
        try:
            self.classifier: Any = pipeline(self.task, model=self.model, device=self.device)
        except Exception as error:
            raise RuntimeError(
                "Pipeline initialization failed. Please check the model and task parameters. "
                f"(model={self.model!r}, task={self.task!r}: {error})"
            ) from error

    def cleanup(self) -> None:
        """Lets go of the model."""
        self.classifier = None

    def _preprocess(self, data: Any) -> Any:
        """The text of a query (``{"query": text}`` or nested once more), cut to max_length characters."""
        text = data
        while isinstance(text, dict) and "query" in text:
            text = text["query"]
        return text[: self.max_length] if isinstance(text, str) else text

    def __call__(self, data: Any = None) -> bool:
        if self.task != "text-classification":
            raise NotImplementedError(f"task {self.task!r}: only text-classification is known")
        if self.classifier is None:
            raise RuntimeError("the filter was cleaned up")
        answer = self.classifier(self._preprocess(data), top_k=None)
        scores = {entry["label"]: entry["score"] for entry in _flat(answer)}
        easy, hard = scores["LABEL_0"], scores["LABEL_1"]
        total = easy + hard
        # No share can be told of nothing: not hard, as other results that cannot be read. NaN counts as hard (upstream).
        if total == 0:
            return False
        return not easy / total >= self.threshold


def _flat(answer: Any) -> Tuple[Any, ...]:
    return tuple(answer[0]) if answer and isinstance(answer[0], list) else tuple(answer)


def _device() -> str:
    try:
        import torch
    except ImportError:
        return "cpu"
    return "cuda" if torch.cuda.is_available() else "cpu"


def _pipeline() -> Any:
    try:
        from transformers import pipeline
    except ImportError as error:
        raise ImportError("BertRouter needs transformers and torch: pip install transformers torch") from error
    return pipeline
