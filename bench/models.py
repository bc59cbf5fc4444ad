"""ONNX models for the benchmarks, made from a fixed seed: no file is shipped, nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def _save(path: Path, nodes: list, inputs: list, outputs: list, weights: dict[str, np.ndarray]) -> None:
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "bench", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def small_cnn(path: Path) -> None:
    """float32 [n, 3, 224, 224] → [n, 10]: four strided convolutions, at least 0.3 ms an image on one core."""
    rng = np.random.default_rng(7)
    nodes, weights, current = [], {}, "x"
    for i, (cin, cout, stride) in enumerate([(3, 8, 2), (8, 16, 2), (16, 32, 2), (32, 64, 2)]):
        weights[f"w{i}"] = rng.normal(0, 0.1, (cout, cin, 3, 3)).astype(np.float32)
        nodes.append(helper.make_node("Conv", [current, f"w{i}"], [f"c{i}"], strides=[stride] * 2, pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        current = f"r{i}"
    weights["fc"] = rng.normal(0, 0.1, (64, 10)).astype(np.float32)
    nodes += [
        helper.make_node("GlobalAveragePool", [current], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("MatMul", ["flat", "fc"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 224, 224])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])
    _save(path, nodes, [x], [y], weights)


def tiny_mlp(path: Path) -> None:
    """float32 [n, 64] → [n, 10]: one hidden layer of 64, a few microseconds."""
    rng = np.random.default_rng(7)
    weights = {
        "w0": rng.normal(0, 0.1, (64, 64)).astype(np.float32),
        "w1": rng.normal(0, 0.1, (64, 10)).astype(np.float32),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "w1"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])
    _save(path, nodes, [x], [y], weights)
