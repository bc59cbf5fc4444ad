"""Real TensorFlow and Keras: a bare model at the edge, a saved one in the cloud."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="the framework tests run in script/test frameworks")

from harness import check_import_orders, cloud_worker, joint_environment  # noqa: E402

from sedna.core.joint_inference import JointInference  # noqa: E402

CLOUD = """
    import keras
    from sedna.core.joint_inference import BigModelService

    class Cloud:
        def load(self, model_url):
            self.model = keras.models.load_model(model_url)
        def predict(self, data, **kwargs):
            return self.model(data).numpy()[0].tolist()

    BigModelService(estimator=Cloud()).start()
"""


def make_model(bias: list[float]) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model.layers[-1].set_weights([np.zeros((4, 3)), np.array(bias)])
    return model


@pytest.mark.parametrize("backend", ["KERAS", "TENSORFLOW"])
# JI-3.5
def test_bare_model_and_saved_model(tmp_path, monkeypatch, backend):
    edge_file, cloud_file = tmp_path / "edge.weights.h5", tmp_path / "cloud.keras"
    make_model([0.1, 0.0, 0.0]).save_weights(edge_file)
    make_model([0.0, 0.0, 9.0]).save(cloud_file)
    with cloud_worker(CLOUD, cloud_file, backend) as port:
        joint_environment(monkeypatch, port, edge_file, backend)
        service = JointInference(
            estimator=make_model([0.0, 0.0, 0.0]), hard_example_mining={"method": "MSP", "param": {"threshold": 0.5}}
        )
        hard, final, edge_answer, cloud_answer = service.inference(np.ones((1, 4), np.float32))
    assert hard is True
    assert int(np.argmax(edge_answer)) == 0, "the weights of MODEL_URL were not loaded at the edge"
    assert int(np.argmax(cloud_answer)) == 2
    assert final == cloud_answer


# JI-6.7
def test_import_orders():
    pytest.importorskip("tensorflow")
    compute = "tensorflow.reduce_sum(tensorflow.matmul(tensorflow.ones((64, 64)), tensorflow.ones((64, 64))))"
    check_import_orders("tensorflow", compute)
