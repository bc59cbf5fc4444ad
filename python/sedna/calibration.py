"""Choosing a filter's threshold on samples whose answers are known, instead of guessing it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple, Union

import numpy as np

__all__ = ["Calibration", "calibrate", "parameters_from"]

PathLike = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True)
class Calibration:
    """What calibration found. ``parameters`` are the filter's; accuracies are None where nothing told them."""

    filter: str
    parameters: Dict[str, str]
    threshold: float
    temperature: float
    policy: str
    asked: float
    reached: bool
    ratio: float
    samples: int
    accuracy_edge: Optional[float] = None
    accuracy_joint: Optional[float] = None
    accuracy_cloud: Optional[float] = None
    ece_before: Optional[float] = None
    ece_after: Optional[float] = None
    model_checksum: str = ""
    date: str = ""

    def hard_example_mining(self) -> Dict[str, Any]:
        """For ``JointInference(hard_example_mining=…)``."""
        return {"method": self.filter, "param": dict(self.parameters)}


def calibrate(
    outputs: Any,
    labels: Any,
    *,
    filter: str = "MSP",
    ratio: Optional[float] = None,
    accuracy: Optional[float] = None,
    conformal: Optional[float] = None,
    chow: Optional[float] = None,
    cloud: Any = None,
    logits: bool = False,
    parameters: Optional[Dict[str, Any]] = None,
    model: Optional[PathLike] = None,
    output: Optional[PathLike] = None,
) -> Calibration:
    """Finds the threshold (and temperature) of a filter from what the edge model said about held-out samples.

    Args:
        outputs: ``[samples, classes]``, probabilities (or logits with ``logits=True``) of the edge model.
        labels: the true classes, as indices.
        filter: a filter that judges class scores (MSP, Margin, Entropy, CrossEntropy, TemperatureMSP, …).
        ratio: share of samples to send; 0.1 when no other target is given.
        accuracy: joint accuracy wanted, as a share; needs ``cloud``.
        conformal: share of all samples that may stay at the edge and be wrong.
        chow: cost of asking the cloud, against 1 for a wrong answer.
        cloud: the cloud's classes for the same samples (indices), or whether it was right (booleans).
        parameters: further parameters of the filter; a ``temperature`` given here is kept.
        model: the edge model's file; its checksum goes into the calibration, which then fits no other model.
        output: file to write, for SEDNA_CALIBRATION or ``sedna-worker edge --calibration``.

    Raises:
        ValueError: naming the sample or option that is wrong.
    """
    from sedna._native import native

    targets = {"ratio": ratio, "accuracy": accuracy, "conformal": conformal, "chow": chow}
    given = {policy: target for policy, target in targets.items() if target is not None} or {"ratio": 0.1}
    if len(given) > 1:
        raise ValueError(f"one target is wanted, not {' and '.join(given)}")
    ((policy, target),) = given.items()
    rows = np.ascontiguousarray(outputs, dtype=np.float64)
    truth = np.ascontiguousarray(labels, dtype=np.int64)
    if rows.ndim != 2:
        raise ValueError(f"outputs: [samples, classes] is expected, not an array of shape {rows.shape}")
    if truth.shape != rows.shape[:1]:
        raise ValueError(f"labels: one a sample is expected ({rows.shape[0]}), not an array of shape {truth.shape}")
    right = None
    if cloud is not None:
        answers = np.asarray(cloud)
        if answers.shape != truth.shape:
            raise ValueError(f"cloud: one answer a sample is expected ({truth.shape[0]}), not shape {answers.shape}")
        right = np.ascontiguousarray(answers if answers.dtype == np.bool_ else answers == truth, dtype=np.uint8)
    elif policy == "accuracy":
        raise ValueError("accuracy: the cloud's answers for the same samples are needed (cloud=…)")
    found = native.calibrate(
        rows, truth, right, logits, filter, {k: str(v) for k, v in (parameters or {}).items()}, policy, float(target),
        os.fspath(model) if model is not None else "", os.fspath(output) if output is not None else "",
    )
    return Calibration(**found)


def parameters_from(
    file: PathLike, model_path: Optional[str], method: Optional[str], param: Dict[str, Any]
) -> Tuple[str, Dict[str, Any]]:
    """Filter and parameters of a calibration file, for the model at hand; what the job says itself wins.

    Raises ValueError when the file belongs to another model, or to another filter than the job names.
    """
    from sedna._native import native

    model = model_path if model_path and os.path.isfile(model_path) else ""
    found = native.read_calibration(os.fspath(file), model)
    if method is not None and method != found["filter"]:
        raise ValueError(
            f"SEDNA_CALIBRATION {os.fspath(file)} is for the filter {found['filter']}, and the job names {method}"
        )
    return found["filter"], {**found["parameters"], **param}
