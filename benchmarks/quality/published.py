"""Leave-one-out, both forms, beside what others published: tables of docs/results.md.

`<!-- leave_one_out:DATASET -->` marks a table. The figures of others are in benchmarks/published.jsonl, with their
source.
"""

import json

from benchmarks.quality import render, results
from tools.common.files import read_text

PAGE = "docs/results.md"
FORMS = {"strict": "loo", "full": "loo-full"}  # form -> how the name of its data set ends
METRICS = {"R@10": "recall@10", "NDCG@10": "ndcg@10"}


def others(dataset, path=None) -> list[dict]:
    """Rows of `published.jsonl` of a data set: model, source, and figures in percent.

    Args:
        dataset: its name.
        path: of the file; None: the repository's.
    """
    path = results.ROOT / "benchmarks/published.jsonl" if path is None else path
    if not path.is_file():
        return []
    rows = [json.loads(line) for line in read_text(path).splitlines()]
    return [one for one in rows if one["dataset"] == dataset]


def table(dataset, rows, published) -> str:
    """The Markdown table: ours in both forms, the published figures of the same model beside them, then all others.

    Args:
        dataset: its name.
        rows: of results.jsonl.
        published: what `others` gives; `ours` names the configuration `RECIPE/MODEL` that a row stands beside.
    """
    found = {form: _by_label(f"{dataset}-{end}", rows) for form, end in FORMS.items()}
    labels = list(dict.fromkeys(label for one in found.values() for label in one))
    labels.sort(key=lambda label: max(_figure(one.get(label), "recall@10") for one in found.values()))
    beside = {one["ours"]: one for one in published if one.get("ours")}
    heads = [f"{name}, {form}" for form in FORMS for name in METRICS]
    cells = [["model", "recipe", *heads, *(f"{name}, published" for name in METRICS), "seeds"]]
    for label in labels:
        recipe, model = label.split("/")
        ours = [_shown(_figure(found[form].get(label), name)) for form in FORMS for name in METRICS.values()]
        seeds = "/".join(str(getattr(found[form].get(label), "seeds", 0) or "-") for form in FORMS)
        cells.append([f"`{model}`", recipe, *ours, *_published(beside.get(label)), seeds])
    cells += [
        [one["model"], "published", *["-"] * len(heads), *_published(one), "-"]
        for one in published
        if not one.get("ours")
    ]
    return render.markdown(cells)


def _by_label(dataset, rows):
    if not (results.ROOT / "benchmarks/configs" / dataset).is_dir():
        return {}
    return {f"{one.recipe}/{one.model}": one for one in render.lines(dataset, rows)}


def _figure(line, name):
    return -1.0 if line is None else line.means.get(name, -1.0)


def _shown(figure):
    return "-" if figure < 0 else f"{figure:.2f}"


def _published(one):
    return [_shown(-1.0 if one is None else one[name]) for name in METRICS.values()]


def rendered():
    """Path -> text, of the page as the files of runs and of published figures have it to be."""
    rows = results.read_rows(results.file())
    return render.in_pages("leave_one_out", {PAGE: None}, lambda dataset, _: table(dataset, rows, others(dataset)))
