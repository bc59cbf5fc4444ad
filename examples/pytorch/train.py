"""Trains both networks and writes edge.pt and cloud.pt (weights only) into the folder given."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from networks import big, samples, small


def fit(model: torch.nn.Module, epochs: int) -> torch.nn.Module:
    images, digits = (torch.from_numpy(a) for a in samples("train"))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(64):
            loss = torch.nn.functional.nll_loss(torch.log(model(images[batch]) + 1e-9), digits[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


if __name__ == "__main__":
    torch.manual_seed(1)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(fit(small(), 30).state_dict(), folder / "edge.pt")
    torch.save(fit(big(), 12).state_dict(), folder / "cloud.pt")
