"""MIND's own studies on Amazon Beauty: the deviation of its routing logits, and the p of its label-aware attention.

Example: python -m benchmarks.quality.mind_study --seeds 3

One key of benchmarks/configs/amazon-beauty/paper/mind.yaml is changed at a time. A run is as in
`benchmarks.quality.measure`, and its row goes to mind_study.jsonl; the runs of the recipe itself are in results.jsonl.
A run that is there is not repeated. A run that was killed continues when the command is given again.
`benchmarks.tables` writes the table of docs/results.md.
"""

import argparse
import statistics
from pathlib import Path

from benchmarks.quality import measure, results
from benchmarks.quality.render import in_pages, markdown
from tools.common.errors import command
from tools.config.arguments import positive

DATASET, LABEL = "amazon-beauty", "paper/mind"
STUDIES = {"routing_logits_std": ("0.1", "1", "5"), "pow_p": ("0", "1", "2", "5", ".inf")}
WORDS = {"docs/results.md": ("key", "value", "step of the best", "seeds")}


@command
def main(argv=None):
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=positive, default=3, help="training seeds 1…N, all settings of one seed first")
    args = parser.parse_args(argv)
    measure.check_results(file())
    measure.prepare(DATASET, None)
    path = results.configuration(DATASET, LABEL)
    for seed in range(1, args.seeds + 1):
        for _, _, overrides in settings():
            if seed not in results.runs(path, read_rows(), overrides):
                measure.run_or_stop(path, seed, file(), overrides)
    print(table(WORDS["docs/results.md"]), end="")


def file():
    """`mind_study.jsonl`."""
    return results.ROOT / "benchmarks/runs/mind_study.jsonl"


def settings():
    """`(key, value, overrides)` of each line of the table."""
    return [(key, value, [f"hyper_parameters.{key}={value}"]) for key, values in STUDIES.items() for value in values]


def read_rows() -> list[dict]:
    """The study's runs, and those of the recipe itself."""
    return results.read_rows(results.file()) + results.read_rows(file())


def rendered() -> dict[Path, str]:
    """Page -> its text with the table."""
    return in_pages("mind_study", WORDS, lambda _, words: table(words))


def table(words) -> str:
    """The Markdown table; `words` head its columns of key, value, steps and seeds."""
    key, value, step, seeds = words
    cells = [[key, value, "R@50", "± R@50", "HR@50", step, seeds]]
    path, rows = results.configuration(DATASET, LABEL), read_rows()
    for name, setting, overrides in settings():
        found = list(results.runs(path, rows, overrides).values())
        recall, hitrate = ([100 * row["test"]["mind"][f"{one}@50"] for row in found] for one in ("recall", "hitrate"))
        several = f"{statistics.stdev(recall):.2f}" if len(found) > 1 else "-"
        means = [f"{statistics.mean(recall):.2f}", several, f"{statistics.mean(hitrate):.2f}"] if found else ["-"] * 3
        steps = f"{statistics.mean(row['best_step'] for row in found):,.0f}" if found else "-"
        cells.append([f"`{name}`", setting, *means, steps, str(len(found) or "-")])
    return markdown(cells)


if __name__ == "__main__":
    main()
