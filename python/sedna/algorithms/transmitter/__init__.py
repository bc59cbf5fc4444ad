"""How the updates of federated learning's second interface travel."""

from sedna.algorithms.transmitter.transmitter import S3Transmitter, WSTransmitter

__all__ = ["S3Transmitter", "WSTransmitter"]
