"""Joint inference: a small model at the edge, a big one in the cloud, and a filter that says who answers."""

from sedna.core.joint_inference.joint_inference import BigModelService, InferenceResult, JointInference

__all__ = ("BigModelService", "InferenceResult", "JointInference")
