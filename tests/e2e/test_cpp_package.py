"""libsedna as a C++ integrator gets it: installed into a prefix, found by CMake, and the thirty-line example run."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from processes import sedna_worker
from programs import ROOT

pytestmark = pytest.mark.slow


def run(*command: str, **kwargs) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, **kwargs)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def onnxruntime() -> str:
    """The shared library of the Python wheel: programs elsewhere than beside a virtual environment are told."""
    package = importlib.util.find_spec("onnxruntime")
    assert package and package.origin
    return str(next((Path(package.origin).parent / "capi").glob("libonnxruntime.so*")))


def digit_model(path: Path) -> None:
    """float32 [n, 64] → ten probabilities, sure of class 4."""
    from onnx import TensorProto, helper, numpy_helper

    bias = np.zeros(10, np.float32)
    bias[4] = 9
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["input", "w"], ["h"]), helper.make_node("Add", ["h", "b"], ["z"]),
         helper.make_node("Softmax", ["z"], ["probabilities"], axis=1)],
        "digits",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 64])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(np.zeros((64, 10), np.float32), "w"), numpy_helper.from_array(bias, "b")],
    )
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())


# JI-6.1
def test_installed_package_builds_and_runs_the_example(tmp_path):
    prefix, build = tmp_path / "prefix", tmp_path / "build"
    run("cmake", "--install", str(ROOT / "build" / "release"), "--prefix", str(prefix))
    run("cmake", "-S", str(ROOT / "examples" / "cpp"), "-B", str(build), "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}",
        "-DCMAKE_CXX_COMPILER=clang++-19", "-DCMAKE_BUILD_TYPE=Debug")
    run("cmake", "--build", str(build))
    digit_model(tmp_path / "digits.onnx")
    with sedna_worker("infer", "--model", f"digits={tmp_path / 'digits.onnx'}", "--port", "0") as worker:
        out = run(str(build / "joint_inference"), str(tmp_path / "digits.onnx"), "127.0.0.1", str(worker.port),
                  env={**os.environ, "LC_SERVER": "", "SEDNA_ONNXRUNTIME": onnxruntime()})
    assert out.strip() == "digit 4, answered by the edge (easy)"


# JI-6.1
def test_the_example_is_thirty_lines():
    lines = (ROOT / "examples" / "cpp" / "joint_inference.cpp").read_text().splitlines()
    code = [x for x in lines if x.strip() and not x.startswith("//")]
    assert len(code) <= 34
