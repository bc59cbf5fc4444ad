"""A stock PyTorch script: a small network, alone."""

import sys

import torch
from networks import samples, small

model = small()
model.load_state_dict(torch.load(sys.argv[1], weights_only=True))
right = 0
images, digits = samples("test")
for image, digit in zip(images, digits):
    with torch.no_grad():
        answer = model(torch.from_numpy(image[None])).numpy()
    right += int(answer.argmax() == digit)
print(f"accuracy {right / len(digits):.4f}")
