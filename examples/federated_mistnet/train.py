"""A client: its digits stay here, their noised features leave."""

import os

from interface import Dataset, Estimator, mistnet, transmitter

from sedna.core.federated_learning import FederatedLearningV2


def main():
    fl_model = FederatedLearningV2(
        data=Dataset(trainset=os.environ["TRAIN_DATASET_URL"]),
        estimator=Estimator(),
        aggregation=mistnet,
        transmitter=transmitter,
    )
    fl_model.train()


if __name__ == "__main__":
    main()
