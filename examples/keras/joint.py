"""A stock Keras script: a small network, alone."""

import sys

import numpy as np
from networks import samples, small
from sedna.core.joint_inference import JointInference

model = small()
model.load_weights(sys.argv[1])
service = JointInference(estimator=model)
right = 0
images, digits = samples("test")
for image, digit in zip(images, digits):
    answer = np.asarray(service.inference(image[None])[1])
    right += int(answer.argmax() == digit)
print(f"accuracy {right / len(digits):.4f}")
