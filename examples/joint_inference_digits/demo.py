"""Joint inference on real handwritten digits, from training to a table and a picture. Run it with ``script/demo``.

Trains a small and a big model, calibrates the threshold, brings up a cloud node and an edge node on this machine, applies
the service (once with a filter that sends everything, once with one that sends only the hard images), and says what the
synergy was worth. Every figure is computed from what the workers answered. ``--plain-workers`` does the same with two
processes and nothing around them.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(ROOT / "python")]

import models  # noqa: E402
from digits_home import Home, say  # noqa: E402
from service import service_workers  # noqa: E402
from workers import NativeWorkers, Pass, PythonWorkers, Workers  # noqa: E402

SEED = 7
RATIO = 0.10  # share of the calibration samples that the threshold may send


@dataclass(frozen=True)
class Outcome:
    """One kind of workers: the pass that sent everything, the joint pass, and the true digits."""

    workers: Workers
    everything: Pass
    joint: Pass
    digits: np.ndarray

    def accuracy(self, answers: np.ndarray) -> float:
        return float(np.mean(answers == self.digits))

    @property
    def edge_accuracy(self) -> float:
        return self.accuracy(self.joint.edge)

    @property
    def joint_accuracy(self) -> float:
        return self.accuracy(self.joint.final)

    @property
    def cloud_accuracy(self) -> float:
        return self.accuracy(self.everything.cloud)

    def result_line(self) -> str:
        joint, everything = self.joint, self.everything
        figures = {
            "samples": len(self.digits),
            "edge_accuracy": f"{self.edge_accuracy:.4f}",
            "joint_accuracy": f"{self.joint_accuracy:.4f}",
            "cloud_accuracy": f"{self.cloud_accuracy:.4f}",
            "offload_ratio": f"{np.mean(joint.offloaded):.4f}",
            "upload_bytes_ratio": f"{joint.upload_bytes / everything.upload_bytes:.4f}",
            "cloud_cpu_ratio": f"{joint.cloud_cpu_seconds / everything.cloud_cpu_seconds:.4f}",
            "edge_p50_ms": f"{np.median(joint.latency_ms[~joint.offloaded]):.3f}",
            "offload_p50_ms": f"{np.median(joint.latency_ms[joint.offloaded]):.3f}",
            "workers": self.workers.name,
        }
        return "RESULT joint_inference " + " ".join(f"{k}={v}" for k, v in figures.items())


def run(workers: Workers, digits: np.ndarray) -> Outcome:
    say(f"\n── {workers.__doc__.splitlines()[0] if workers.__doc__ else workers.name}")
    calibration = workers.calibrate(RATIO)
    say(f"   calibrated on samples of neither training nor test: hard when 1 - p(1) > {calibration['threshold']:.4f}")
    everything, joint = workers.passes(say)
    if not everything.offloaded.all():
        raise RuntimeError(f"{np.sum(~everything.offloaded)} samples of the cloud-only pass were not answered by the cloud")
    return Outcome(workers, everything, joint, digits)


def table(outcome: Outcome) -> str:
    """Edge alone, both together, cloud alone: what each costs and is worth."""
    joint, everything = outcome.joint, outcome.everything
    edge_ms = float(np.median(joint.latency_ms[~joint.offloaded]))
    rows = [
        ("edge alone", outcome.edge_accuracy, 0.0, 0, 0.0, edge_ms),
        ("edge + cloud", outcome.joint_accuracy, float(np.mean(joint.offloaded)), joint.upload_bytes,
         joint.cloud_cpu_seconds, float(np.median(joint.latency_ms))),
        ("cloud alone", outcome.cloud_accuracy, 1.0, everything.upload_bytes, everything.cloud_cpu_seconds,
         float(np.median(everything.latency_ms))),
    ]
    lines = [f"   {'':14}{'accuracy':>10}{'uploaded':>10}{'bytes up':>12}{'cloud CPU':>12}{'latency p50':>13}"]
    for name, accuracy, share, size, cpu, latency in rows:
        lines.append(f"   {name:14}{accuracy:>9.2%} {share:>9.1%} {size:>11,} {cpu * 1e3:>8.1f} ms{latency:>10.3f} ms")
    return "\n".join(lines)


def picture(outcomes: list[Outcome], path: Path) -> None:
    """Accuracy against the share uploaded, from the workers' answers: by score, at random, and with an oracle."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    main = outcomes[0]
    edge_right = main.joint.edge == main.digits
    cloud_right = main.everything.cloud == main.digits
    n = len(main.digits)

    def curve(order: np.ndarray) -> np.ndarray:
        gain = (cloud_right.astype(int) - edge_right.astype(int))[order]
        return 100 * (edge_right.sum() + np.concatenate([[0], np.cumsum(gain)])) / n

    share = 100 * np.arange(n + 1) / n
    figure, axes = plt.subplots(figsize=(8, 5), dpi=120)
    oracle = np.argsort(-(cloud_right.astype(int) - edge_right.astype(int)), kind="stable")
    axes.plot(share, curve(oracle), ":", color="#888888", label="oracle (knows which samples help)")
    axes.plot(share, curve(np.argsort(-main.joint.score, kind="stable")), color="#1f77b4", lw=2, label="hardest first (1 − p(1))")
    axes.plot([0, 100], [100 * main.edge_accuracy, 100 * main.cloud_accuracy], "--", color="#d62728", label="random choice")
    axes.axhline(100 * main.cloud_accuracy, color="#2ca02c", lw=0.8)
    axes.annotate("cloud alone", (99, 100 * main.cloud_accuracy), ha="right", va="bottom", color="#2ca02c")
    for outcome, marker in zip(outcomes, "os"):
        x, y = 100 * np.mean(outcome.joint.offloaded), 100 * outcome.joint_accuracy
        axes.plot(x, y, marker, ms=11 if marker == "s" else 7, mfc="none" if marker == "s" else "#ff7f0e", mec="#ff7f0e",
                  mew=2, zorder=5, label=f"this run, {outcome.workers.name} workers: {y:.2f} % at {x:.1f} % uploaded")
    axes.set(xlabel="samples uploaded to the cloud (%)", ylabel="accuracy (%)", xlim=(-1, 101),
             title=f"Joint inference on {n} handwritten digits")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "demo" / "joint_inference", help="where everything lands")
    parser.add_argument("--workers", choices=["both", "python", "native"], default="both")
    parser.add_argument("--seed", type=int, default=SEED, help="of the split and the training")
    parser.add_argument("--plain-workers", action="store_true", help="two bare processes instead of a service of a home")
    parser.add_argument("--keep", action="store_true", help="leave home and services running")
    args = parser.parse_args()

    start = time.monotonic()
    say(f"Training two models on scikit-learn's digits (seed {args.seed}) …")
    models.train_and_export(args.out, args.seed)
    digits = np.load(args.out / "test.npz")["label"]
    say(f"   done in {time.monotonic() - start:.1f} s; {len(digits)} test images")

    kinds: list[type[Workers]] = {"python": [PythonWorkers], "native": [NativeWorkers]}.get(
        args.workers, [PythonWorkers, NativeWorkers])
    if not args.plain_workers and (missing := Home.missing()):
        say(f"\nThis machine cannot run a home as it is ({missing}): the workers run as two bare processes.")
        args.plain_workers = True
    if not args.plain_workers:
        nodes = {"cloud0": "cloud", "edge0": "edge"}
        with Home.of(args.out / "home", HERE / "images.yaml", nodes, args.keep) as running:
            outcomes = []
            for kind in kinds:
                workers = service_workers(running, kind, args.out)
                outcomes.append(run(workers, digits))
                if not args.keep:
                    workers.stop()
    else:
        outcomes = [run(kind(args.out), digits) for kind in kinds]
    path = args.out / "joint_inference.png"
    picture(outcomes, path)
    for outcome in outcomes:
        say(f"\n{outcome.workers.name} workers\n{table(outcome)}")
    say(f"\npicture: {path}")
    for outcome in outcomes:
        say(outcome.result_line())
    return 0


if __name__ == "__main__":
    sys.exit(main())
