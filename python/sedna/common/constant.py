"""Names that travel in reports and in the knowledge base."""

from __future__ import annotations

from enum import Enum


class K8sResourceKind(Enum):
    """Kinds as worker reports spell them (ownerKind)."""

    DEFAULT = "default"
    REID_JOB = "reidjob"
    VIDEO_ANALYTICS_JOB = "videoanalyticsjob"
    FEATURE_EXTRACTION_SERVICE = "featureextractionservice"
    JOINT_INFERENCE_SERVICE = "jointinferenceservice"
    FEDERATED_LEARNING_JOB = "federatedlearningjob"
    INCREMENTAL_JOB = "incrementallearningjob"
    LIFELONG_JOB = "lifelonglearningjob"


class K8sResourceKindStatus(Enum):
    """States of a worker's task."""

    COMPLETED = "completed"
    FAILED = "failed"
    RUNNING = "running"


class KBResourceConstant(Enum):
    """Names within a knowledge base."""

    MIN_TRAIN_SAMPLE = 10
    KB_INDEX_NAME = "index.pkl"
    TASK_EXTRACTOR_NAME = "task_attr_extractor.pkl"
    SEEN_TASK = "seen_task"
    UNSEEN_TASK = "unseen_task"
    TASK_GROUPS = "task_groups"
    EXTRACTOR = "extractor"
    EDGE_KB_DIR = "/var/lib/sedna/kb"
