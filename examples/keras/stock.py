"""A stock Keras script: a small network, alone."""

import sys

from networks import samples, small

model = small()
model.load_weights(sys.argv[1])
right = 0
images, digits = samples("test")
for image, digit in zip(images, digits):
    answer = model(image[None]).numpy()
    right += int(answer.argmax() == digit)
print(f"accuracy {right / len(digits):.4f}")
