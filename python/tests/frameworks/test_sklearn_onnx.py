"""Real scikit-learn and ONNX Runtime estimators at the edge."""

from __future__ import annotations

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

from harness import check_import_orders  # noqa: E402

from sedna.core.joint_inference import JointInference  # noqa: E402


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.data / 16).astype(np.float32), data.target


# JI-3.5
def test_scikit_learn_estimator(digits, tmp_path, monkeypatch):
    from sklearn.linear_model import LogisticRegression

    images, labels = digits
    model = LogisticRegression(max_iter=200).fit(images[:1200], labels[:1200])

    class Estimator:
        def predict(self, data, **kwargs):
            return model.predict_proba(data)[0]

    monkeypatch.setenv("BACKEND_TYPE", "SKLEARN")
    monkeypatch.setenv("MODEL_URL", __file__)
    service = JointInference(estimator=Estimator(), hard_example_mining={"method": "EdgeOnly"})
    right = sum(int(np.argmax(service.inference(x[None])[1]) == y) for x, y in zip(images[1200:1300], labels[1200:1300]))
    assert right > 85


# JI-3.5
def test_onnx_file_as_estimator(digits, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    skl2onnx = pytest.importorskip("skl2onnx")
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.linear_model import LogisticRegression

    images, labels = digits
    model = LogisticRegression(max_iter=200).fit(images[:1200], labels[:1200])
    file = tmp_path / "edge.onnx"
    exported = skl2onnx.convert_sklearn(
        model, initial_types=[("x", FloatTensorType([None, 64]))], options={id(model): {"zipmap": False}},
        target_opset=18,  # which the last ONNX Runtime for Python 3.9 reads too
    )
    file.write_bytes(exported.SerializeToString())
    monkeypatch.setenv("BACKEND_TYPE", "ONNX")
    monkeypatch.setenv("MODEL_URL", str(file))
    service = JointInference(estimator=str(file), hard_example_mining={"method": "EdgeOnly"})
    for x in images[1200:1220]:
        assert np.allclose(service.inference(x[None])[1], model.predict_proba(x[None]), atol=1e-5)


# JI-6.7
def test_import_orders():
    compute = "sklearn.metrics.pairwise.linear_kernel(np.ones((64, 64)), np.ones((64, 64))).sum()"
    check_import_orders("sklearn.metrics.pairwise", compute)
