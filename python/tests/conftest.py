"""Shared by the package's tests: no test sees another's environment, and none reaches the network."""

from __future__ import annotations

import os
from typing import Iterator

import pytest

_OURS = (
    "BACKEND_TYPE", "BIG_MODEL_BIND_IP", "BIG_MODEL_BIND_PORT", "BIG_MODEL_IP", "BIG_MODEL_PORT", "DEVICE_CATEGORY",
    "HEM_NAME", "HEM_PARAMETERS", "JOB_NAME", "LC_PERIOD", "LC_SERVER", "LOG_LEVEL", "MINING_MODE", "MODEL_LOAD_MODE",
    "MODEL_NAME", "MODEL_URL", "NAMESPACE", "PARAMETERS", "SERVICE_NAME", "TRANSMITTER", "WORKER_NAME",
)


def pytest_report_header() -> str:
    import sedna

    return f"sedna: {sedna.__version__} from {os.path.dirname(sedna.__file__)}"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name in _OURS or name.startswith("SEDNA_"):
            monkeypatch.delenv(name)
    yield
