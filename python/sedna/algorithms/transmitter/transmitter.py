"""Upstream's transmitters: what carries the bulk of a federated job of the second interface.

They only say how; ``FederatedLearningV2`` and ``AggregationServerV2`` do it. ``send`` and ``recv`` do nothing, as
upstream's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Dict

__all__ = ("AbstractTransmitter", "S3Transmitter", "WSTransmitter")


class AbstractTransmitter(ABC):
    """What a transmitter has: ``parameters``."""

    parameters: Dict[str, Any]

    @abstractmethod
    def recv(self) -> Any:
        """Nothing."""

    @abstractmethod
    def send(self, data: Any) -> Any:
        """Nothing."""


class WSTransmitter(AbstractTransmitter, ABC):
    """Straight between client and server (TRANSMITTER=ws). Here that is HTTP: safetensors, resumable, checked."""

    def __init__(self) -> None:
        super().__init__()
        self.parameters: Dict[str, Any] = {}

    def recv(self) -> Any:
        """Nothing, as upstream's."""

    def send(self, data: Any) -> Any:
        """Nothing, as upstream's."""


class S3Transmitter(AbstractTransmitter, ABC):
    """Through an object store (TRANSMITTER=s3): models and updates lie below ``transmitter_url`` (``s3://bucket/prefix``)."""

    def __init__(self, s3_endpoint_url: Any, access_key: Any, secret_key: Any, transmitter_url: Any) -> None:
        super().__init__()
        self.parameters: Dict[str, Any] = {
            "s3_endpoint_url": s3_endpoint_url,
            "s3_bucket": transmitter_url,
            "access_key": access_key,
            "secret_key": secret_key,
        }

    def __repr__(self) -> str:
        return f"S3Transmitter({self.parameters['s3_endpoint_url']}, {self.parameters['s3_bucket']})"  # and no key

    def recv(self) -> Any:
        """Nothing, as upstream's."""

    def send(self, data: Any) -> Any:
        """Nothing, as upstream's."""
