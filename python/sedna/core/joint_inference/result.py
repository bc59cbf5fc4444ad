"""What one sample came to."""

from __future__ import annotations

from typing import Any, List


class InferenceResult(List[Any]):
    """The list ``[is_hard_example, final_result, edge_result, cloud_result]``, and why it came out so.

    ``is_hard, final, edge, cloud = job.inference(data)`` works as with upstream.
    """

    #: Why the final result is whose it is: "easy", "hard" (the cloud answered), or what kept a hard sample at the edge:
    #: "budget", "deadline", "breaker", "queue", "transport", "refused", and "invalid" for a result no filter could read.
    reason: str = "easy"
    #: The filter's score, larger is harder; 0 when the filter has none.
    score: float = 0.0
    #: Seconds that the edge model took.
    edge_latency: float = 0.0
    #: Seconds that the cloud took; 0 when it was not asked.
    cloud_latency: float = 0.0
    #: Bytes sent to the cloud for this sample.
    upload_bytes: int = 0
    #: Why the cloud did not answer, for a person; empty otherwise.
    message: str = ""

    @property
    def is_hard(self) -> bool:
        """The filter's verdict."""
        return bool(self[0])

    @property
    def final(self) -> Any:
        """The answer to use."""
        return self[1]

    @property
    def edge(self) -> Any:
        """The edge model's answer; None when only the cloud was asked."""
        return self[2]

    @property
    def cloud(self) -> Any:
        """The cloud's answer; None when it was not asked or did not answer."""
        return self[3]

    @property
    def latency(self) -> float:
        """Seconds, edge and cloud together."""
        return self.edge_latency + self.cloud_latency
