"""Real MindSpore: an estimator that loads its own weights, on both sides."""

from __future__ import annotations

import numpy as np
import pytest

mindspore = pytest.importorskip("mindspore", reason="the framework tests run in script/test frameworks")

from harness import check_import_orders, cloud_worker, joint_environment  # noqa: E402

from sedna.core.joint_inference import JointInference  # noqa: E402

ESTIMATOR = """
    import numpy as np
    import mindspore

    class Estimator:
        def load(self, model_url):
            self.model = mindspore.nn.SequentialCell(mindspore.nn.Dense(4, 3), mindspore.nn.Softmax())
            mindspore.load_param_into_net(self.model, mindspore.load_checkpoint(model_url))
            self.model.set_train(False)
        def predict(self, data, **kwargs):
            return self.model(mindspore.Tensor(np.asarray(data, np.float32))).asnumpy()[0].tolist()
"""
CLOUD = ESTIMATOR + """
    from sedna.core.joint_inference import BigModelService
    BigModelService(estimator=Estimator).start()
"""


def save_model(path, bias: list[float]) -> None:
    model = mindspore.nn.SequentialCell(mindspore.nn.Dense(4, 3), mindspore.nn.Softmax())
    model[0].weight.set_data(mindspore.Tensor(np.zeros((3, 4), np.float32)))
    model[0].bias.set_data(mindspore.Tensor(np.array(bias, np.float32)))
    mindspore.save_checkpoint(model, str(path))


# JI-3.5
def test_estimator_class_on_both_sides(tmp_path, monkeypatch):
    import textwrap

    edge_file, cloud_file = tmp_path / "edge.ckpt", tmp_path / "cloud.ckpt"
    save_model(edge_file, [0.1, 0.0, 0.0])
    save_model(cloud_file, [0.0, 0.0, 9.0])
    names: dict = {}
    exec(textwrap.dedent(ESTIMATOR), names)
    with cloud_worker(CLOUD, cloud_file, "MINDSPORE") as port:
        joint_environment(monkeypatch, port, edge_file, "MINDSPORE")
        service = JointInference(
            estimator=names["Estimator"], hard_example_mining={"method": "MSP", "param": {"threshold": 0.5}}
        )
        hard, final, edge_answer, cloud_answer = service.inference(np.ones((1, 4), np.float32))
    assert hard is True
    assert int(np.argmax(edge_answer)) == 0
    assert int(np.argmax(cloud_answer)) == 2
    assert final == cloud_answer


# JI-6.7
def test_import_orders():
    check_import_orders("mindspore", "mindspore.ops.matmul(mindspore.ops.ones((64, 64)), mindspore.ops.ones((64, 64))).sum()")
