"""What the READMEs and the configurations' heads say of the runs in results.jsonl, written from that file."""

import re
import statistics
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.quality import results
from tools.common.files import atomic_file, read_text

COLUMNS = {  # of a protocol's table
    "comirec": {
        "R@20": "recall@20", "NDCG@20": "ndcg@20", "HR@20": "hitrate@20",
        "R@50": "recall@50", "NDCG@50": "ndcg@50", "HR@50": "hitrate@50",
    },
    "mind": {"HR@10": "recall@10", "HR@50": "recall@50", "HR@100": "recall@100"},  # the same, for one target
}  # fmt: skip
FIGURES = {"comirec": ("recall@50", "hitrate@50"), "mind": ("hitrate@10", "hitrate@50", "hitrate@100")}  # in a head
READMES = {"README.md": ("model", "recipe", "seeds"), "README_CN.md": ("模型", "设置", "种子数")}
GAVE = re.compile(r"^# Gave on test.*$", re.MULTILINE)
AHEAD, BEHIND = 1.1, "†"  # a model below so many times item_knn's recall@50 has the mark


class Line(NamedTuple):
    """A row of a table."""

    model: str
    recipe: str
    means: dict[str, float]  # of each metric over seeds, percent; empty where there is no run
    deviation: float | None  # of recall@50 over seeds, percent; None for fewer than two
    seeds: int


def lines(dataset, rows) -> list[Line]:
    """A line for each configuration: the papers' recipes, then the others, each from the lowest recall@50 up."""
    found, columns = [], COLUMNS[results.source(dataset)[1]]
    for label, path in results.configurations(dataset).items():
        recipe, model = label.split("/")
        tests = [row["test"][model] for row in results.runs(path, rows).values()]
        known = [name for name in columns.values() if tests and all(name in one for one in tests)]  # by runner.top_n
        means = {name: 100 * statistics.mean(one[name] for one in tests) for name in known}
        enough = len(tests) > 1 and "recall@50" in known
        several = 100 * statistics.stdev(one["recall@50"] for one in tests) if enough else None
        found.append(Line(model, recipe, means, several, len(tests)))
    return sorted(found, key=lambda one: (one.recipe != "paper", one.recipe, one.means.get("recall@50", 100.0)))


def table(dataset, rows, words) -> str:
    """The Markdown table of a data set.

    Args:
        dataset: its name.
        rows: of results.jsonl.
        words: how the columns of model, recipe and seeds are headed.
    """
    found, columns = lines(dataset, rows), COLUMNS[results.source(dataset)[1]]
    (bar,) = [AHEAD * one.means.get("recall@50", 0) for one in found if one[:2] == ("item_knn", "paper")] or [0]
    model, recipe, seeds = words
    cells = [[model, recipe, *columns, *(f"± {name}" for name in columns if columns[name] == "recall@50"), seeds]]
    for one in found:
        behind = one.model != "item_knn" and one.means.get("recall@50", bar) < bar
        figures = [f"{one.means[name]:.2f}" if name in one.means else "-" for name in columns.values()]
        deviation = "-" if one.deviation is None else f"{one.deviation:.2f}"
        name = f"`{one.model}`{' ' + BEHIND if behind else ''}"
        cells.append([name, one.recipe, *figures, deviation, str(one.seeds or "-")])
    return markdown(cells)


def markdown(cells) -> str:
    """Rows of cells, the first the head's, as a table."""
    head, *rows = cells
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * len(head), *rows])


def head(found) -> str:
    """The line of a configuration's head that tells its figures.

    Args:
        found: seed -> row.
    """
    if not found:
        return "# Gave on test: not run yet."
    last = max(found.values(), key=lambda row: row["date"])
    (name,) = [name for name in last["test"] if last["config"].endswith(f"/{name}.yaml")]
    figures = ", ".join(
        f"{metric} {100 * statistics.mean(row['test'][name][metric] for row in found.values()):.2f}"
        for metric in figures_of(last, name)
    )
    seeds = f"mean of training seeds {', '.join(map(str, found))}" if len(found) > 1 else f"training seed {min(found)}"
    return f"# Gave on test, {seeds}: {figures} (percent; Paddle {last['versions']['paddle']}, {last['date']})."


def figures_of(row, name) -> list[str]:
    """The metrics of a head, as far as a row has them; where it has none, the recalls and hit rates that it has."""
    wanted, has = FIGURES[results.source(Path(row["config"]).parts[2])[1]], row["test"][name]
    return [one for one in wanted if one in has] or [one for one in has if one.startswith(("recall@", "hitrate@"))]


def rendered() -> dict[Path, str]:
    """Path -> text, of each README and configuration as results.jsonl has it to be."""
    rows = results.read_rows(results.file())
    texts = in_readmes("quality", READMES, lambda dataset, words: table(dataset, rows, words))
    for folder in sorted((results.ROOT / "benchmarks/configs").iterdir()):
        for path in results.configurations(folder.name).values():
            texts[path] = GAVE.sub(head(results.runs(path, rows)), read_text(path))
    return texts


def in_readmes(kind, words, table_of) -> dict[Path, str]:
    """Path -> text of each README, its tables from `<!-- KIND:NAME -->` to `<!-- end -->` written anew.

    Args:
        kind: KIND.
        words: README -> what its columns are headed with.
        table_of: NAME and a README's words to its table.
    """
    marked = re.compile(rf"(<!-- {kind}:([\w-]+) -->\n).*?(?=<!-- end -->)", re.DOTALL)

    def written(own, found):
        return found[1] + table_of(found[2], own)

    paths = {results.ROOT / name: own for name, own in words.items()}
    return {path: marked.sub(partial(written, own), read_text(path)) for path, own in paths.items()}


def write(texts):
    """Write what differs.

    Args:
        texts: path -> text.
    """
    for path, text in texts.items():
        if text != read_text(path):
            with atomic_file(path) as file:
                file.write(text)
