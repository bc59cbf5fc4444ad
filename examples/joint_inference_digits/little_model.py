"""The edge worker, as a user writes it: a small model, a hard-example filter, and a loop over the samples.

It reads ``SAMPLES_URL`` (an .npz with ``input``) and writes what was answered for each sample to ``RESULT_URL``, a JSON
object a line, from which the demo computes every figure. With ``KEEP_RUNNING=1`` it then waits to be stopped, as a worker
with an endless camera would go on: a Deployment starts again what ends.
"""

from __future__ import annotations

import json
import os
import signal
import time

import joblib
import numpy as np

from sedna.core.joint_inference import JointInference


class EdgeModel:
    """Answers with the probability of each digit."""

    def load(self, model_url: str) -> None:
        self.model = joblib.load(model_url)  # a local file that the user trained

    def predict(self, data, **kwargs) -> np.ndarray:
        return self.model.predict_proba(data)[0]


def main() -> None:
    images = np.load(os.environ["SAMPLES_URL"])["input"]
    service = JointInference(estimator=EdgeModel())  # the filter comes from HEM_NAME and HEM_PARAMETERS
    result_file = os.environ["RESULT_URL"]
    with open(f"{result_file}.part", "w", encoding="utf-8") as out:
        for index, image in enumerate(images):
            start = time.perf_counter()
            result = service.inference(image[None, :])
            seconds = time.perf_counter() - start
            is_hard, _final, edge, cloud = result
            record = {
                "index": index,
                "hard": bool(is_hard),
                "reason": result.reason,
                "score": float(1.0 - np.max(edge)),
                "edge": int(np.argmax(edge)),
                "cloud": None if cloud is None else int(cloud[0]),
                "latency_ms": seconds * 1e3,
                "upload_bytes": result.upload_bytes,
            }
            out.write(json.dumps(record) + "\n")
    os.replace(f"{result_file}.part", result_file)  # whoever waits for it sees it whole
    print(f"{len(images)} samples answered, written to {result_file}", flush=True)
    if os.environ.get("KEEP_RUNNING") == "1":
        signal.pause()


if __name__ == "__main__":
    main()
