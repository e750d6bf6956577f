"""Draw the curves of docs/results.md: `python docs/results/draw.py runs/A runs/B runs/C`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib.pyplot as plt

CURVES = {
    "total_return_frac": ("return a day, %", 100.0),
    "turnover_frac": ("turnover a day, times the start", 1.0),
}
MILLION = 1e6


def validations(run: Path) -> list[dict[str, float]]:
    """Return the lines of a run's log that hold a validation."""
    lines = map(json.loads, (run / "log.jsonl").read_text("utf-8").splitlines())
    return [line for line in lines if "validation/total_return_frac" in line]


def draw(runs: list[Path], target: Path) -> None:
    """Draw one panel a figure, one line a run."""
    figure, panels = plt.subplots(1, len(CURVES), figsize=(9, 3.2), layout="constrained")
    for panel, (name, (label, scale)) in zip(panels, CURVES.items(), strict=True):
        for run in runs:
            found = validations(run)
            steps = [line["step"] / MILLION for line in found]
            values = [line[f"validation/{name}"] * scale for line in found]
            seed = run.name.split("-s")[-1].split("-")[0]
            panel.plot(steps, values, linewidth=1.4, label=f"seed {seed}")
        panel.set_xlabel("steps, millions")
        panel.set_ylabel(label)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25)
        if name != "total_return_frac":
            panel.set_yscale("log")
    panels[0].set_ylim(-10.0, 1.0)
    panels[0].axhline(0.0, color="black", linewidth=0.8)
    panels[0].legend(frameon=False)
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    draw([Path(name) for name in sys.argv[1:]], Path(__file__).with_name("learning.png"))
