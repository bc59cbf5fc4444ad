"""The second interface's client: the first one's connection and reports, for trainers and features."""

from __future__ import annotations

from typing import Dict

from sedna.core.federated_learning.federated_learning import FederatedLearning
from sedna.core.federated_learning.second_interface import Counted, Features, backend_of
from sedna.core.federated_learning.trainers import Source, Trainer

__all__ = ("SecondClient",)


class SecondClient(FederatedLearning):
    """Made for one job; connects at once."""

    default_protocol = "http"

    def __init__(self, trainer: Trainer, aggregation: str, store: Dict[str, str]) -> None:
        self.trainer = trainer
        self.store = store
        super().__init__(estimator=None, aggregation=aggregation)
        self.estimator = backend_of(trainer)
        if store and not hasattr(self.node, "next"):
            self.log.warning("upstream's messages do not go through an object store: AGG_PROTOCOL=http does")

    def train_by_weights(self, source: Source) -> None:
        """FedAvgV2, and whatever the server makes of weights."""
        data = Counted(source.trainset, self.trainer.samples(source.trainset))
        self.train(data, valid_data=source.testset)

    def train_by_features(self, source: Source, features: Features) -> None:
        """MistNet: the server trains; what comes back is the whole model."""
        if not hasattr(self.node, "next"):
            raise ValueError("MistNet's features travel over HTTP: AGG_PROTOCOL must be http or https")
        if self.personal or self.ditto is not None:
            raise ValueError("SEDNA_FL_PERSONAL is for weights; MistNet's clients send features")
        try:
            self._rounds_of_features(source, features)
        finally:
            self.node.close()

    def _rounds_of_features(self, source: Source, features: Features) -> None:
        began = False
        while True:
            task = self._wait(self.node.next)
            if task["weights"] is not None and began:
                self._take({"weights": task["weights"], "round_number": task["model_round"],
                            "total_sample": task["samples"],
                            "exit_flag": "ok" if task["finished"] else "continue"}, None)
            elif task["weights"] is not None:
                self.trainer.set_weights(task["weights"])  # the server's: all clients cut the same model
            if task["finished"]:
                if not began and task["weights"] is None:
                    raise RuntimeError("the job has ended without a model")
                if not began:
                    self.estimator.save()
                return
            began = True
            tensors = features.of(source.trainset)
            self.node.submit(len(tensors[0]), tensors, [], 0, {})

    def _takes_policy(self) -> bool:
        return self.trainer.takes_policy
