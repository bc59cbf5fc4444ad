"""Whether the engine learns what it should: accuracies of whole federated jobs on real digits, held against recorded tables.

Every job is run by ``federated_digits``: a real aggregator over loopback, ten clients that all take part, a 64-64-10 network,
5 local epochs of batch 32 at rate 0.1. The yardsticks (``TABLE``, ``ATTACKS``) were recorded from independent numpy programs of
the same recipe; values are in points: percent right of 360 test digits, mean over the seeds. ``script/bench fl_convergence
fl_attacks fl_codecs`` prints them; ``build/venv/bin/python bench/convergence.py`` makes the tables and the picture of the guide.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # matrices of 64 × 64 are not worth a second thread
    os.environ.setdefault(threads, "1")

import numpy as np  # noqa: E402 (reads those)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))
import federated_digits as digits  # noqa: E402

ROUNDS = 50
TOLERANCE = 1.5  # points
COLUMNS = ((0.1, 10), (0.1, 50), (0.5, 10), (0.5, 50), (100.0, 50))  # Dirichlet's alpha, after which round
#: Recorded means over five seeds.
TABLE: dict[str, tuple[float, ...]] = {
    "FedAvg": (79.1, 92.9, 92.0, 96.3, 96.9),
    "FedProx": (78.0, 92.6, 91.7, 96.2, 96.8),
    "SCAFFOLD": (91.5, 96.6, 93.6, 96.9, 97.1),
    "FedNova": (85.9, 93.7, 92.3, 96.2, 96.9),
    "FedAvgM": (84.6, 94.9, 91.3, 96.4, 96.4),
    "FedAdam": (89.7, 96.2, 94.1, 96.2, 96.8),
    "FedYogi": (89.7, 96.2, 94.1, 96.3, 96.7),
    "FedAdagrad": (85.2, 94.7, 92.2, 96.7, 96.9),
}
SCAFFOLD_LEAD = 8.0  # points over FedAvg at alpha 0.1 after 10 rounds

#: With 2 of 10 hostile, alpha 0.5, 50 rounds, three seeds: what was recorded under sign flips and under noise.
ATTACKS: dict[str, tuple[tuple[str, ...], float, float]] = {
    "mean": ((), 9.4, 82.6),
    "Median": (("--robust", "Median"), 90.8, 94.5),
    "TrimmedMean": (("--robust", "TrimmedMean,b=2"), 91.4, 95.2),
    "Krum": (("--robust", "Krum,f=2"), 79.5, 81.1),
    "MultiKrum": (("--robust", "MultiKrum,f=2"), 95.4, 95.2),
    "clip": (("--clip", "median"), 91.8, 94.8),
    "GeometricMedian": (("--robust", "GeometricMedian"), 92.4, 94.7),
}
LOST = 15.0  # points: no better than guessing
ONE_NAN = 95.6
NAN_ROUND = 4

#: How many points less than float32 a codec may have, alpha 0.5, 50 rounds, three seeds.
CODECS = {"bf16": 0.5, "fp16": 0.5, "int8": 0.5, "int4": 0.5, "topk,share=0.1": 0.5, "topk,share=0.01": 1.0, "sign": 1.0}


def sign_flip(client: int, round_: int, start: digits.Arrays, trained: digits.Arrays) -> digits.Arrays:
    """Two clients go five times as far the other way."""
    return [x - 5 * (y - x) for x, y in zip(start, trained)] if client < 2 else trained


def gaussian(client: int, round_: int, start: digits.Arrays, trained: digits.Arrays) -> digits.Arrays:
    """Two clients add noise of deviation 1."""
    random = np.random.RandomState(10_000 * client + round_)
    return [y + random.randn(*y.shape) for y in trained] if client < 2 else trained


def one_nan(client: int, round_: int, start: digits.Arrays, trained: digits.Arrays) -> digits.Arrays:
    """One client sends NaN, once."""
    return [y * np.nan for y in trained] if client == 0 and round_ == NAN_ROUND else trained


@dataclass(frozen=True)
class Task:
    """One job of a table."""

    alpha: float
    seed: int
    flags: tuple[str, ...] = ()
    attack: digits.Attack | None = None


def accuracies(task: Task) -> np.ndarray:
    """Of each round, in percent."""
    with np.errstate(all="ignore"):  # a mean under attack ends in NaN
        job = digits.run(digits.split(task.alpha, task.seed), ROUNDS, *task.flags, attack=task.attack)
    if (task.attack is one_nan) != bool(job.refusals):
        raise RuntimeError(f"{task} was refused: {job.refusals}")
    return 100 * np.array(job.accuracy)


def measure(tasks: list[Task]) -> list[np.ndarray]:
    """All of them, on all cores: nothing here is timed."""
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(accuracies, tasks))


def learn(algorithms: list[str], seeds: int = 5) -> dict[tuple[str, float], np.ndarray]:
    """Accuracy by algorithm and alpha: a row a seed, a column a round."""
    cells = [(name, alpha) for name in algorithms for alpha in dict.fromkeys(a for a, _ in COLUMNS)]
    rows = measure([Task(alpha, seed, ("--algorithm", name)) for name, alpha in cells for seed in range(seeds)])
    return {cell: np.array(rows[i * seeds:(i + 1) * seeds]) for i, cell in enumerate(cells)}


def attacked(seeds: int = 3) -> dict[tuple[str, str], np.ndarray]:
    """Accuracy at the end, by rule and attack: a value a seed."""
    # Nine are enough where the tenth is refused; nine wait so long for the tenth, and all but one round have ten.
    rules = {**{name: flags for name, (flags, _, _) in ATTACKS.items()}, "NaN": ("--quorum", "9", "--soft-deadline", "5")}
    cells = [(name, attack) for name in ATTACKS for attack in (sign_flip, gaussian)] + [("NaN", one_nan)]
    rows = measure([Task(0.5, seed, rules[name], attack) for name, attack in cells for seed in range(seeds)])
    return {(name, attack.__name__): np.array([row[-1] for row in rows[i * seeds:(i + 1) * seeds]])
            for i, (name, attack) in enumerate(cells)}


def coded(seeds: int = 3) -> dict[str, np.ndarray]:
    """Accuracy at the end, by codec; "" is none: a value a seed."""
    names = ["", *CODECS]
    rows = measure([Task(0.5, seed, ("--codec", name) if name else ()) for name in names for seed in range(seeds)])
    return {name: np.array([row[-1] for row in rows[i * seeds:(i + 1) * seeds]]) for i, name in enumerate(names)}


@dataclass
class Gate:
    """A value in points, what it is held against, and what of the allowed distance is used up (1: all of it)."""

    name: str
    value: float
    yardstick: float
    used: float
    note: str


def convergence_gates() -> Iterator[Gate]:
    """The table, and that SCAFFOLD does what it is for."""
    found = learn([*TABLE, "FedDyn"])
    for name in [*TABLE, "FedDyn"]:
        for i, (alpha, at) in enumerate(COLUMNS):
            column = found[name, alpha][:, at - 1]
            label, value, note = f"{name}_a{alpha:g}_r{at}", float(column.mean()), f"deviation={column.std():.1f}"
            if name in TABLE:
                yardstick = TABLE[name][i]
                yield Gate(label, value, yardstick, abs(value - yardstick) / TOLERANCE, note)
            else:
                yardstick = float(found["FedAvg", alpha][:, at - 1].mean())
                yield Gate(label, value, yardstick, (yardstick - value) / TOLERANCE, f"{note} yardstick: FedAvg of this run")
    at_ten = {name: float(found[name, 0.1][:, 9].mean()) for name in ("FedAvg", "SCAFFOLD")}
    lead = at_ten["SCAFFOLD"] - at_ten["FedAvg"]
    yield Gate("SCAFFOLD_lead", lead, SCAFFOLD_LEAD, SCAFFOLD_LEAD / lead if lead > 0 else np.inf,
               "SCAFFOLD minus FedAvg, alpha 0.1, 10 rounds; at least the yardstick")


def attack_gates() -> Iterator[Gate]:
    """Rules must be as good as recorded, or better; without one a sign flip must show."""
    found = attacked()
    for (name, attack), values in found.items():
        value, note = float(values.mean()), f"deviation={values.std():.1f}"
        if (name, attack) == ("mean", "sign_flip"):
            yield Gate("mean_sign_flip", value, LOST, value / LOST, f"{note} must be lost: no rule, no clipping")
            continue
        recorded = ONE_NAN if name == "NaN" else ATTACKS[name][1 if attack == "sign_flip" else 2]
        yield Gate(f"{name}_{attack}" if name != "NaN" else "one_nan", value, recorded, (recorded - value) / TOLERANCE, note)


def codec_gates() -> Iterator[Gate]:
    """What coding costs, with what is lost going along the next time."""
    found = coded()
    plain = float(found[""].mean())
    for name, allowed in CODECS.items():
        value = float(found[name].mean())
        yield Gate(name.replace(",share=", "_"), value, plain, (plain - value) / allowed,
                   f"deviation={found[name].std():.1f} allowed_drop={allowed} yardstick: float32 of this run")


def table(header: list[str], rows: list[list[str]]) -> str:
    """In Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])


def picture(found: dict[tuple[str, float], np.ndarray], path: Path) -> None:
    """Accuracy by round where the split is most uneven."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.6), dpi=90)
    names = list(dict.fromkeys(name for name, _ in found))
    for name, colour in zip(names, plt.get_cmap("tab10").colors):
        rows = found[name, 0.1]
        line = axes.plot(np.arange(1, ROUNDS + 1), rows.mean(axis=0), lw=1.6, label=name, color=colour)[0]
        if name in TABLE:
            axes.plot([10, 50], TABLE[name][:2], "x", color=line.get_color(), ms=7, mew=1.6)
    axes.set(xlabel="round", ylabel="accuracy on the test digits (%)", xlim=(0, ROUNDS + 1), ylim=(40, 100),
             title="ten clients, Dirichlet(0.1), mean of five seeds; ×: recorded from numpy programs")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", ncols=2)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


GATES = {"convergence": convergence_gates, "attacks": attack_gates, "codecs": codec_gates}


def main() -> int:
    """With ``--gates NAME`` a JSON object a gate, for ``bench/run.py``; else tables, and the picture to the first argument."""
    if sys.argv[1:2] == ["--gates"]:
        for gate in GATES[sys.argv[2]]():
            print(json.dumps(asdict(gate)), flush=True)
        return 0
    found = learn([*TABLE, "FedDyn"])
    rows = []
    for name in dict.fromkeys(name for name, _ in found):
        row = [name]
        for i, (alpha, at) in enumerate(COLUMNS):
            column = found[name, alpha][:, at - 1]
            row.append(f"{column.mean():.1f} ± {column.std():.1f}" + (f" ({TABLE[name][i]})" if name in TABLE else ""))
        rows.append(row)
    print(table(["", *(f"α = {alpha:g}, round {at}" for alpha, at in COLUMNS)], rows), "\n")
    lines = {}
    for (name, attack), values in attacked().items():
        lines.setdefault(name, {})[attack] = f"{values.mean():.1f} ± {values.std():.1f}"
    print(table(["rule", "sign flip × 5", "noise", "one NaN"], [
        [name, *(f"{got[attack]} ({ATTACKS[name][1 + i]})" if attack in got else "" for i, attack in
                 enumerate(("sign_flip", "gaussian"))), got.get("one_nan", "")] for name, got in lines.items()]), "\n")
    codecs = coded()
    print(table(["codec", "accuracy", "drop"], [
        [name or "float32", f"{v.mean():.1f} ± {v.std():.1f}", f"{codecs[''].mean() - v.mean():+.1f}"]
        for name, v in codecs.items()]))
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "convergence.png"
    picture(found, path)
    print(f"\npicture: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
