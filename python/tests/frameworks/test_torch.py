"""Real PyTorch: bare modules and duck-typed estimators, both sides, data-loader workers."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the framework tests run in script/test frameworks")

from harness import check_import_orders, cloud_worker, joint_environment, run_fresh  # noqa: E402

from sedna.core.joint_inference import JointInference  # noqa: E402

CLOUD = """
    import torch
    from sedna.core.joint_inference import BigModelService

    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Softmax(dim=-1))
    BigModelService(estimator=model).start()
"""


def make_model(bias: list[float]) -> torch.nn.Module:
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Softmax(dim=-1))
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].bias.copy_(torch.tensor(bias))
    return model


# JI-3.5
def test_bare_module_on_both_sides(tmp_path, monkeypatch):
    edge_file, cloud_file = tmp_path / "edge.pt", tmp_path / "cloud.pt"
    torch.save(make_model([0.1, 0.0, 0.0]).state_dict(), edge_file)
    torch.save(make_model([0.0, 0.0, 9.0]).state_dict(), cloud_file)
    with cloud_worker(CLOUD, cloud_file, "TORCH") as port:
        joint_environment(monkeypatch, port, edge_file, "TORCH")
        edge = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Softmax(dim=-1))
        service = JointInference(estimator=edge, hard_example_mining={"method": "MSP", "param": {"threshold": 0.5}})
        hard, final, edge_answer, cloud_answer = service.inference(np.ones((1, 4), np.float32))
    assert hard is True
    assert int(np.argmax(edge_answer)) == 0, "the weights of MODEL_URL were not loaded at the edge"
    assert int(np.argmax(cloud_answer)) == 2, "the weights of MODEL_URL were not loaded in the cloud"
    assert np.array_equal(final, cloud_answer)


def test_estimator_that_loads_itself_is_called_as_it_takes(tmp_path, monkeypatch):
    class Estimator:
        def load(self, model_path=""):  # not called model_url
            self.path = model_path

        def predict(self, data):
            with torch.no_grad():
                return torch.softmax(torch.as_tensor(data).sum(-1, keepdim=True) * torch.tensor([[5.0, 0.0]]), -1).numpy()[0]

    file = tmp_path / "m.bin"
    file.write_bytes(b"weights")
    monkeypatch.setenv("MODEL_URL", str(file))
    monkeypatch.setenv("BACKEND_TYPE", "TORCH")
    service = JointInference(estimator=Estimator(), hard_example_mining={"method": "EdgeOnly"})
    assert service.inference(np.ones((1, 4), np.float32))[1][0] > 0.99


# JI-6.7
def test_import_orders():
    check_import_orders("torch", "torch.ones(64, 64).matmul(torch.ones(64, 64)).sum()")


# JI-6.6
def test_data_loader_workers_fork_beside_a_live_service():
    out = run_fresh("""
        import numpy as np, torch
        from torch.utils.data import DataLoader, Dataset
        from sedna.core.joint_inference import JointInference

        class Edge:
            def predict(self, data): return np.array([0.9, 0.1])

        service = JointInference(estimator=Edge(), hard_example_mining={"method": "MSP", "param": {"threshold": 0.5}})
        service.inference(np.zeros((1, 4), np.float32))

        class Samples(Dataset):
            def __len__(self): return 16
            def __getitem__(self, i): return float(service.inference(np.full((1, 4), i, np.float32))[1][0])

        loader = DataLoader(Samples(), batch_size=4, num_workers=2, multiprocessing_context="fork")
        print(sum(len(batch) for batch in loader))
    """, MODEL_URL=__file__, BACKEND_TYPE="TORCH")
    assert out.strip().endswith("16")
