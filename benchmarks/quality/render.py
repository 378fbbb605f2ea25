"""The tables of results in docs/ and the READMEs, and the heads of the configurations, written from results.jsonl.

`<!-- quality:DATASET -->` marks the table of all configurations, in docs/results.md. `<!-- best:DATASET -->` marks the
short one, in the READMEs: of each kind of model the configuration with the highest recall@50.
"""

import re
import statistics
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.quality import results
from benchmarks.quality.compare import recalls
from models import MODELS
from tools.common.files import atomic_file, read_text
from tools.common.tables import markdown
from tools.config.load import load_config
from tools.evaluation.report import bootstrap

COLUMNS = {  # of a protocol's table
    "comirec": {
        "R@20": "recall@20", "NDCG@20": "ndcg@20", "HR@20": "hitrate@20",
        "R@50": "recall@50", "NDCG@50": "ndcg@50", "HR@50": "hitrate@50",
    },
    "mind": {"HR@10": "recall@10", "HR@50": "recall@50", "HR@100": "recall@100"},  # the same, for one target
    "leave_one_out": {
        "R@10": "recall@10", "NDCG@10": "ndcg@10", "R@20": "recall@20", "R@50": "recall@50", "NDCG@50": "ndcg@50",
    },
}  # fmt: skip
FIGURES = {  # in a head
    "comirec": ("recall@50", "hitrate@50"),
    "mind": ("hitrate@10", "hitrate@50", "hitrate@100"),
    "leave_one_out": ("recall@10", "ndcg@10"),
}
PAGES = {"docs/results.md": ("model", "recipe", "seeds")}  # page -> what the columns of words are headed with
KINDS = (  # of models, one row each of the short table
    ("most_pop",),
    ("item_knn", "rp3beta", "ease"),
    ("wals", "maxmf"),
    ("youtube_dnn", "gru4rec", "sasrec", "two_tower"),
    ("mind", "shared_capsule", "comirec_dr"),
    ("comirec_sa", "re4", "remi"),
    ("spectral",),
    ("spectral_net", "spectral_mix", "spectral_sas", "spectral_blend"),
)
READMES = {  # README -> heads of the short table's columns of words, names of the kinds
    "README.md": (
        ("kind", "the best of it", "recipe", "95 % interval", "seeds"),
        (
            "popularity", "neighbours", "least squares", "one vector, by gradient", "dynamic routing",
            "self-attention", "spectral", "spectral, with networks",
        ),
    ),
    "README_CN.md": (
        ("类型", "该类型最好的", "设置", "95 % 区间", "种子数"),
        (
            "热度", "近邻", "最小二乘", "单个向量,梯度训练", "动态路由",
            "自注意力", "谱方法", "谱方法加网络",
        ),
    ),
}  # fmt: skip
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
    found, columns = [], COLUMNS[results.source(dataset).protocol]
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
    found, columns = lines(dataset, rows), COLUMNS[results.source(dataset).protocol]
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


def best(dataset, rows, words) -> str:
    """The short table of a data set: a row for each of `KINDS` that has a run, with the interval over test users.

    Args:
        dataset: its name, of ComiRec's protocol.
        rows: of results.jsonl.
        words: heads of the columns of words, names of the kinds.
    """
    found = [one for one in lines(dataset, rows) if one.seeds]
    paths = results.configurations(dataset)
    models = {label: load_config(path, (), MODELS).hyper_parameters.model for label, path in paths.items()}
    (kind, model, recipe, interval, seeds), names = words
    cells = [[kind, model, recipe, "R@50", interval, "± R@50", "NDCG@50", "HR@50", seeds]]
    for name, members in zip(names, KINDS, strict=True):
        ours = [one for one in found if models[f"{one.recipe}/{one.model}"] in members]
        if not ours:
            continue
        top = max(ours, key=lambda one: one.means["recall@50"])
        _, of_seeds = recalls(dataset, f"{top.recipe}/{top.model}", rows)  # [S, U]
        low, high = 100 * bootstrap(of_seeds.mean(axis=0)[:, None])[:, 0]
        figures = [f"{top.means[metric]:.2f}" for metric in ("recall@50", "ndcg@50", "hitrate@50")]
        deviation = "-" if top.deviation is None else f"{top.deviation:.2f}"
        cells.append([
            name, f"`{top.model}`", top.recipe, figures[0], f"{low:.2f} - {high:.2f}", deviation, *figures[1:],
            str(top.seeds),
        ])  # fmt: skip
    return markdown(cells)


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
    wanted, has = FIGURES[results.source(Path(row["config"]).parts[2]).protocol], row["test"][name]
    return [one for one in wanted if one in has] or [one for one in has if one.startswith(("recall@", "hitrate@"))]


def rendered() -> dict[Path, str]:
    """Path -> text, of each page and configuration as results.jsonl has it to be."""
    rows = results.read_rows(results.file())
    texts = in_pages("quality", PAGES, lambda dataset, words: table(dataset, rows, words))
    texts |= in_pages("best", READMES, lambda dataset, words: best(dataset, rows, words))
    for folder in sorted((results.ROOT / "benchmarks/configs").iterdir()):
        for path in results.configurations(folder.name).values():
            texts[path] = GAVE.sub(head(results.runs(path, rows)), read_text(path))
    return texts


def in_pages(kind, words, table_of) -> dict[Path, str]:
    """Path -> text of each page, its tables from `<!-- KIND:NAME -->` to `<!-- end -->` written anew.

    Args:
        kind: KIND.
        words: page -> what its columns are headed with.
        table_of: NAME and a page's words to its table.
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
