"""A stock PyTorch script: a small network, alone."""

import sys

import numpy as np
import torch
from networks import samples, small
from sedna.core.joint_inference import JointInference

model = small()
model.load_state_dict(torch.load(sys.argv[1], weights_only=True))
service = JointInference(estimator=model)
right = 0
images, digits = samples("test")
for image, digit in zip(images, digits):
    with torch.no_grad():
        answer = np.asarray(service.inference(image[None])[1])
    right += int(answer.argmax() == digit)
print(f"accuracy {right / len(digits):.4f}")
