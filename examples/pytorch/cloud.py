"""The cloud side: the big network, served until stopped."""

from networks import big

from sedna.core.joint_inference import BigModelService

BigModelService(estimator=big()).start()
