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


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> Path:
    """The folder of examples/cpp's programs, built against an installed package."""
    prefix, build = tmp_path_factory.mktemp("prefix"), tmp_path_factory.mktemp("build")
    run("cmake", "--install", str(ROOT / "build" / "release"), "--prefix", str(prefix))
    run("cmake", "-S", str(ROOT / "examples" / "cpp"), "-B", str(build), "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}",
        "-DCMAKE_CXX_COMPILER=clang++-19", "-DCMAKE_BUILD_TYPE=Debug")
    run("cmake", "--build", str(build))
    return build


# JI-6.1
def test_installed_package_builds_and_runs_the_example(examples, tmp_path):
    digit_model(tmp_path / "digits.onnx")
    with sedna_worker("infer", "--model", f"digits={tmp_path / 'digits.onnx'}", "--port", "0") as worker:
        out = run(str(examples / "joint_inference"), str(tmp_path / "digits.onnx"), "127.0.0.1", str(worker.port),
                  env={**os.environ, "LC_SERVER": "", "SEDNA_ONNXRUNTIME": onnxruntime()})
    assert out.strip() == "digit 4, answered by the edge (easy)"


# FL-17.2
def test_two_programs_without_python_learn_digits_together(examples, tmp_path):
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, test_x, test_y = x / 16, x[1400:] / 16, y[1400:]
    # One knows the digits below five, the other the rest: alone neither can be right more often than half.
    for name, own in (("a", y[:1400] < 5), ("b", y[:1400] >= 5)):
        np.savez(tmp_path / f"{name}.npz", x=x[:1400][own], y=y[:1400][own])
    np.savez(tmp_path / "test.npz", x=test_x, y=test_y)
    with sedna_worker("aggregate", "--port", "0", "--aggregation", "digits", "--participants", "2", "--rounds", "12") as server:
        env = {**os.environ, "LC_SERVER": "", "AGG_PROTOCOL": "http", "AGG_IP": "127.0.0.1", "AGG_PORT": str(server.port),
               "LOG_LEVEL": "WARNING"}
        program = str(examples / "federated_digits")
        with subprocess.Popen([program, str(tmp_path / "b.npz")], env={**env, "WORKER_NAME": "b"}) as other:
            out = run(program, str(tmp_path / "a.npz"), str(tmp_path / "test.npz"), env={**env, "WORKER_NAME": "a"})
            assert other.wait(timeout=60) == 0
    lines = out.splitlines()
    assert lines[-1].startswith("round 12 of 12: accuracy ")
    assert float(lines[-1].split()[-1]) > 0.75


# FL-17.2
def test_a_file_that_holds_no_digits_is_named(examples, tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros((3, 5)))
    done = subprocess.run([str(examples / "federated_digits"), str(tmp_path / "other.npz")], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 1
    assert "other.npz" in done.stderr and "float64 [n, 64]" in done.stderr


# JI-6.1
def test_the_example_is_thirty_lines():
    lines = (ROOT / "examples" / "cpp" / "joint_inference.cpp").read_text().splitlines()
    code = [x for x in lines if x.strip() and not x.startswith("//")]
    assert len(code) <= 34
