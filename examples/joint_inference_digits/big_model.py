"""The cloud worker, as a user writes it: an estimator with ``load`` and ``predict``, and one call that serves it."""

from __future__ import annotations

import joblib
import numpy as np

from sedna.core.joint_inference import BigModelService


class CloudModel:
    """Answers with the digit, as a list of one label."""

    def load(self, model_url: str) -> None:
        self.model = joblib.load(model_url)  # a local file that the user trained

    def predict(self, data, **kwargs) -> list[int]:
        images = np.asarray(data, dtype=np.float32).reshape(-1, 64)
        return self.model.predict(images).tolist()


if __name__ == "__main__":
    BigModelService(estimator=CloudModel()).start()
