"""What sedna-worker says to a user who got something wrong: every error names the flag, file or variable, and nothing
crashes, hangs or is taken silently. The exit status is 2 for a wrong flag, 1 for everything outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from processes import Worker, sedna_worker
from programs import WORKER
from test_joint_faults import classifier

TOKEN = "a-token-of-more-than-sixteen-characters"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wrong")
    model = classifier(folder / "edge.onnx", 1.0)
    classifier(folder / "cloud.onnx", 10.0)
    (folder / "cut.onnx").write_bytes(model.read_bytes()[:90])
    (folder / "empty.onnx").touch()
    (folder / "none").mkdir()
    rows = np.array([[9.0, 0, 0], [0.3, 0, 0.2]] * 10, np.float32)
    np.savez(folder / "good.npz", input=rows, label=np.zeros(20, np.int64))
    np.savez(folder / "double.npz", input=rows.astype(np.float64))
    np.savez(folder / "narrow.npz", input=rows[:, :2])
    np.savez(folder / "names.npz", a=rows, b=rows)
    np.savez(folder / "short.npz", input=rows, label=np.zeros(19, np.int64))
    np.savez(folder / "nan.npz", input=rows, label=np.full(20, np.nan))
    np.savez(folder / "pickle.npz", input=np.array([1, "a", None], object))
    (folder / "cut.npz").write_bytes((folder / "good.npz").read_bytes()[:300])
    (folder / "text.npz").write_text("not an archive")
    (folder / "cut.json").write_text('{"kind": "sedna.calibration", "fil')
    (folder / "other.json").write_text('{"kind": "something"}')
    (folder / "token").write_text(f"edge:{TOKEN}\n")
    (folder / "token").chmod(0o600)
    shutil.copy(folder / "token", folder / "open-token")
    (folder / "open-token").chmod(0o644)
    return folder


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(WORKER), *arguments], cwd=folder, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "LC_SERVER": "", **environment})


EDGE = ["edge", "--model", "small=edge.onnx", "--cloud", "none", "--filter", "MSP"]
SOURCE = ["--source", "npz:good.npz"]
CALIBRATE = ["calibrate", "--model", "small=edge.onnx", "--data", "npz:good.npz"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "subcommand"),
        (["serve"], 2, "no command 'serve'; there are infer, edge, calibrate and aggregate"),
        (["infer", "--modle", "x"], 2, "--modle"),
        (["infer"], 2, "--model NAME=FILE.onnx"),
        (["infer", "--model", "big="], 2, "expected NAME=FILE.onnx, got 'big='"),
        (["infer", "--model", "nosuch.onnx"], 1, "nosuch.onnx: no such model file"),
        (["infer", "--model", "cut.onnx"], 1, "cut.onnx: is not an ONNX model, or is cut short"),
        (["infer", "--model", "empty.onnx"], 1, "empty.onnx: is empty"),
        (["infer", "--model", "none"], 1, "none: is a folder with 0 .onnx files"),
        (["infer", "--model", "a=edge.onnx", "--model", "a=cloud.onnx"], 2, "--model: two models are called 'a'"),
        (["infer", "--model", "a=edge.onnx", "--json-model", "b"], 2, "--json-model: there is no model 'b'"),
        (["infer", "--model", "edge.onnx", "--port", "70000"], 2, "--port"),
        (["infer", "--model", "edge.onnx", "--host", "0.0.0.0", "--port", "0"], 1, "will not serve beyond this machine"),
        (["infer", "--model", "edge.onnx", "--port", "0", "--token-file", "nosuch"], 1, "nosuch: cannot read the token file"),
        (["infer", "--model", "edge.onnx", "--port", "0", "--token-file", "open-token"], 1, "chmod 600"),
        (["infer", "--model", "edge.onnx", "--port", "0", "--tls-cert", "token"], 1, "go together"),
        (["infer", "--model", "edge.onnx", "--port", "0", "--tls-cert", "nosuch", "--tls-key", "token"], 1,
         "nosuch: cannot read a PEM certificate: No such file"),
        (["infer", "--model-repository", "nosuch", "--port", "0"], 1, "nosuch: the model repository is not a folder"),
        ([*EDGE, *SOURCE, "--param", "threshold"], 2, "--param: expected KEY=VALUE"),
        ([*EDGE, *SOURCE, "--param", "threshold=high"], 2, '--param: threshold: is "high"'),
        ([*EDGE[:-1], "Nosuch", *SOURCE], 2, "--filter: Nosuch: is not a hard-example filter; known are"),
        ([*EDGE, *SOURCE, "--mining-mode", "sometimes"], 2, "--mining-mode: is \"sometimes\""),
        ([*EDGE, *SOURCE, "--score-output", "nosuch"], 2, "it has probabilities"),
        ([*EDGE, *SOURCE, "--array", "nosuch"], 1, "there are: input, label"),
        ([*EDGE, *SOURCE, "--labels", "nosuch"], 1, 'needs an array "nosuch"'),
        ([*EDGE, *SOURCE, "--report", "/nosuch/report"], 1, "/nosuch/report: cannot be written"),
        ([*EDGE, *SOURCE, "--report", "/dev/full"], 1, "/dev/full: could not be written whole"),
        ([*EDGE, *SOURCE, "--calibration", "nosuch.json"], 1, "nosuch.json: cannot be opened"),
        ([*EDGE, *SOURCE, "--calibration", "cut.json"], 1, "cut.json: Unterminated string"),
        ([*EDGE, *SOURCE, "--calibration", "other.json"], 1, "not a file that calibration wrote"),
        ([*EDGE, "--source", "good.npz"], 2, "--source: expected npz:FILE"),
        ([*EDGE, "--source", "npz:nosuch.npz"], 1, "nosuch.npz: cannot be read"),
        ([*EDGE, "--source", "npz:cut.npz"], 1, "cut.npz: has no zip directory"),
        ([*EDGE, "--source", "npz:text.npz"], 1, "text.npz: is neither a .npz nor a .npy file"),
        ([*EDGE, "--source", "npz:pickle.npz"], 1, "a pickle), which are never read"),
        ([*EDGE, "--source", "npz:double.npz"], 1, 'array "input" is FP64; the model\'s input "input" takes FP32'),
        ([*EDGE, "--source", "npz:narrow.npz"], 1, 'array "input" is [20, 2]; the model\'s input "input" takes [-1, 3]'),
        ([*EDGE, "--source", "npz:names.npz"], 1, "there are: a, b); name one with --array"),
        ([*EDGE, "--source", "npz:short.npz"], 1, 'needs an array "label" of one number a sample'),
        ([*EDGE, "--source", "npz:nan.npz"], 1, 'array "label" is no label at [0]: nan'),
        ([*CALIBRATE], 2, "exactly one of --ratio"),
        ([*CALIBRATE, "--ratio", "2"], 2, "--ratio"),
        ([*CALIBRATE, "--ratio", "nan"], 2, "--ratio: is 'nan'; it must be a number from 0 to 1"),
        ([*EDGE, *SOURCE, "--budget", "inf"], 2, "--budget: is 'inf'; it must be a number"),
        (["infer", "--model", "edge.onnx", "--queue", "-1"], 2, "--queue: is '-1'; it must be a number"),
        ([*CALIBRATE, "--accuracy", "0.9"], 2, "--accuracy: needs what the cloud answers"),
        ([*CALIBRATE, "--accuracy", "0.9", "--cloud", "127.0.0.1:9"], 1, "127.0.0.1:9: sample 0 was not answered"),
        ([*CALIBRATE, "--ratio", "0.1", "--filter", "CloudOnly"], 1, "CloudOnly: has no threshold"),
        ([*CALIBRATE, "--ratio", "0.1", "--out", "/nosuch/out"], 1, "/nosuch/out: cannot be written"),
    ],
)
# JI-7.10, JI-7.11, JI-7.12
def test_is_named(folder: Path, arguments: list[str], status: int, said: str) -> None:
    done = run(folder, *arguments)
    assert said in done.stderr + done.stdout, done.stderr
    assert done.returncode == status


@pytest.mark.parametrize(
    "cloud", ["127.0.0.1:", ":5000", ":", "127.0.0.1:http", "127.0.0.1:70000", "http://127.0.0.1", "a b", "[::1"])
# JI-7.11
def test_a_cloud_that_is_no_address_is_refused(folder: Path, cloud: str) -> None:
    done = run(folder, "edge", "--model", "small=edge.onnx", *SOURCE, "--cloud", cloud)
    assert done.returncode == 2
    assert "--cloud: expected HOST or HOST:PORT" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("BIG_MODEL_PORT", "http", "BIG_MODEL_PORT: is \"http\""),
        ("SEDNA_CLOUD_WIRE", "pigeon", "SEDNA_CLOUD_WIRE"),
        ("SEDNA_CLOUD_TLS", "perhaps", "SEDNA_CLOUD_TLS"),
        ("SEDNA_TOKEN_FILE", "nosuch", "SEDNA_TOKEN_FILE nosuch: cannot be read: No such file"),
        ("SEDNA_TOKEN_FILE", "empty.onnx", "SEDNA_TOKEN_FILE empty.onnx: holds no token"),
        ("SEDNA_CLOUD_TLS_CA", "nosuch", "nosuch: cannot read PEM authority certificates: No such file"),
        ("MINING_MODE", "sometimes", "MINING_MODE"),
        ("LC_SERVER", "nonsense", "LC_SERVER: nonsense: not a URL"),
        ("HEM_NAME", "Nosuch", "Nosuch: is not a hard-example filter"),
        ("SEDNA_CALIBRATION", "nosuch.json", "nosuch.json: cannot be opened"),
    ],
)
# JI-7.11
def test_a_wrong_variable_is_named(folder: Path, variable: str, value: str, said: str) -> None:
    done = run(folder, "edge", "--model", "small=edge.onnx", *SOURCE, **{variable: value})
    assert said in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("place", ["/nosuch", "edge.onnx"])
# JI-3.7
def test_without_onnxruntime_it_says_where_it_looked(folder: Path, place: str) -> None:
    done = run(folder, "infer", "--model", "edge.onnx", "--port", "0", SEDNA_ONNXRUNTIME=place)
    assert done.returncode == 1
    for said in ("was not found", "pip install onnxruntime", "SEDNA_ONNXRUNTIME", "Tried:", place):
        assert said in done.stderr


# JI-7.16
def test_samples_that_the_cloud_did_not_answer_are_explained(folder: Path) -> None:
    with sedna_worker("infer", "--model", f"big={folder / 'cloud.onnx'}", "--port", "0", "--no-access-log") as cloud:
        done = run(folder, "edge", "--model", "small=edge.onnx", "--cloud", f"127.0.0.1:{cloud.port}", "--cloud-model",
                   "nosuch", "--filter", "CloudOnly", *SOURCE)
    assert done.returncode == 0
    assert "reason=refused samples=20" in done.stderr and "nosuch" in done.stderr


@pytest.fixture(scope="module")
def guarded(folder: Path) -> Iterator[Worker]:
    """A cloud worker that asks for a token."""
    with sedna_worker("infer", "--model", f"big={folder / 'cloud.onnx'}", "--port", "0", "--token-file",
                      folder / "token") as worker:
        yield worker


# JI-1.20, JI-7.13
def test_the_access_log_names_the_request_and_never_the_token(guarded: Worker) -> None:
    origin = guarded.origin
    request = urllib.request.Request(f"{origin}/v2", headers={"Authorization": f"Bearer {TOKEN}", "X-Request-Id": "order-66"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError) as refused:
        wrong = {"Authorization": f"Bearer {TOKEN}x", "X-Request-Id": "order-67"}
        urllib.request.urlopen(urllib.request.Request(f"{origin}/v2", headers=wrong), timeout=10)
    assert refused.value.code == 401
    with urllib.request.urlopen(f"{origin}/healthz", timeout=10):
        pass
    guarded.wait_for("order-66")
    guarded.wait_for("order-67")
    log = "\n".join(guarded.lines)
    assert TOKEN not in log


def test_an_unknown_log_level_is_said(folder: Path) -> None:
    said = run(folder, *EDGE, *SOURCE, LOG_LEVEL="loud")
    assert said.returncode == 0
    assert "LOG_LEVEL is not DEBUG, INFO, WARNING or ERROR; INFO is taken LOG_LEVEL=loud" in said.stderr
