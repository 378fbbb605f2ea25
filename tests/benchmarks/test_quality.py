"""Campaigns, their tables, comparisons and the controllable study, on a tiny data set."""

import gzip
import json
import lzma
import re

import numpy as np
import pytest
from paths import ROOT
from random_logs import as_reviews, random_rows

import trainer
from benchmarks import tables
from benchmarks.quality import compare, crossval, measure, mind_study, published, render, results, study
from benchmarks.speed import cost
from models import MODELS
from tools.common.errors import UserError
from tools.data.dataset import data_files, read_sequences
from tools.training import run_rows
from tools.training.settings import load_settings

pytestmark = pytest.mark.slow

CONFIG = """\
# Tiny.
# Gave on test: not run yet.
runner:
  train_data_dir: "../../../../data/tiny/train"
  valid_data_dir: "../../../../data/tiny/valid"
  test_data_dir: "../../../../data/tiny/test"
  train_batch_size: 16
  epochs: 4
hyper_parameters:
  item_count: 101
  model: mind
  embedding_dim: 8
  maxlen: 8
  neg_samples: 20
"""
TABLES = "before\n<!-- quality:tiny -->\nold\n<!-- end -->\nbetween\n<!-- best:tiny -->\nold\n<!-- end -->\nafter\n"


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A repository with a data set's source, a configuration, pages and no runs; the working folder too."""
    root, source = tmp_path / "repo", tmp_path / "source"
    rng = np.random.default_rng(0)
    lines = [" ".join(map(str, [f"u{user}", *rng.permutation(100)[:16]])) for user in range(80)]
    source.mkdir()
    (source / "sequences.txt.xz").write_bytes(lzma.compress("\n".join(lines).encode()))
    attributes = {str(item): ["brand", "root", f"part {item % 3}", f"leaf {item % 9}"] for item in range(100)}
    (source / "item_attributes.json.xz").write_bytes(lzma.compress(json.dumps(attributes).encode()))
    for recipe in ("paper", "tuned"):
        (root / "benchmarks/configs/tiny" / recipe).mkdir(parents=True)
    (root / "benchmarks/runs").mkdir(exist_ok=True)
    (root / "benchmarks/configs/tiny/paper/mind.yaml").write_text(CONFIG)
    (root / "benchmarks/runs/results.jsonl").write_text("")
    (root / "docs").mkdir()
    for name in (*render.PAGES, *render.READMES):
        (root / name).write_text(TABLES)
    monkeypatch.setattr(results, "ROOT", root)
    monkeypatch.chdir(root)
    return root


def campaign(house, seeds, *options):
    argv = ["--dataset", "tiny", "--models", "mind", "--seeds", str(seeds), "--source", str(house.parent / "source")]
    measure.main([*argv, *options])
    return results.read_rows(results.file())


class Killed(BaseException):
    pass


def killed_at(house, monkeypatch, last):
    """A campaign whose training ends without a word before a step."""
    step = trainer.Trainer.train_step

    def train_step(self, batch):
        if self.state.step == last:
            raise Killed
        return step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "train_step", train_step)
        with pytest.raises(Killed):
            campaign(house, 1)


def test_a_campaign_prepares_trains_adds_rows_and_writes_tables(house, capsys, monkeypatch):
    rows = campaign(house, 2)
    assert (house / "data/tiny/meta.yaml").is_file()
    assert [(row["config"], row["seed"]) for row in rows] == [
        ("benchmarks/configs/tiny/paper/mind.yaml", seed) for seed in (1, 2)
    ]
    for row in rows:
        assert {"date", "versions", "seconds", "valid", "resolved"} <= row.keys()
        assert 0 < row["best_step"] <= row["steps"] == 4 * (row["steps"] // 4)
        recall = run_rows.unpack(row[results.USERS])
        assert len(recall) == 8
        assert recall.mean() == pytest.approx(row["test"]["mind"]["recall@50"], abs=1e-6)
        assert (recall > 0).mean() == pytest.approx(row["test"]["mind"]["hitrate@50"], abs=1e-6)
    mean = 50 * sum(row["test"]["mind"]["recall@50"] for row in rows)
    for name in (*render.PAGES, *render.READMES):
        assert f" | {mean:.2f} | " in (house / name).read_text()
    head = (house / "benchmarks/configs/tiny/paper/mind.yaml").read_text().splitlines()[1]
    assert head.startswith(f"# Gave on test, mean of training seeds 1, 2: recall@50 {mean:.2f}, hitrate@50 ")
    monkeypatch.delattr(measure, "run_once")
    assert campaign(house, 2) == rows  # nothing is run again
    assert f" | {mean:.2f} | " in capsys.readouterr().out


def test_a_killed_campaign_goes_on_and_gives_the_same(house, monkeypatch):
    (undisturbed,) = campaign(house, 1)
    results.file().write_text("")
    steps = undisturbed["steps"]
    killed_at(house, monkeypatch, steps // 2 + 1)
    assert results.file().read_text() == ""
    (row,) = campaign(house, 1)
    assert (undisturbed["resumed_at"], row["resumed_at"]) == (0, steps // 2)  # an ended run was not gone on with
    for key in ("test", "valid", "steps", "best_step", "resolved", results.USERS):
        assert row[key] == undisturbed[key]


def test_a_killed_run_of_other_settings_is_not_gone_on_with(house, monkeypatch):
    killed_at(house, monkeypatch, 20)
    path = house / "benchmarks/configs/tiny/paper/mind.yaml"
    path.write_text(CONFIG.replace("epochs: 4", "epochs: 3"))
    (row,) = campaign(house, 1)
    assert row["resumed_at"] == 0
    path.write_text(CONFIG)
    assert results.runs(path, [row]) == {}


def test_an_interrupted_campaign_is_saved(house, monkeypatch):
    step = trainer.Trainer.train_step

    def train_step(self, batch):
        self.interrupt.number = 15 if self.state.step == 5 else None
        return step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "train_step", train_step)
        with pytest.raises(SystemExit) as end:
            campaign(house, 1)
    assert end.value.code == 143
    (row,) = campaign(house, 1)
    assert row["resumed_at"] == 6


@pytest.mark.parametrize(
    "options, message",
    [
        (["--dataset", "tinny"], "--dataset tinny: not one of tiny; did you mean tiny?"),
        (["--dataset", "tiny", "--models", "mnd"], "paper/mnd: not one of tiny's configurations, paper/mind; did you"),
        (["--dataset", "tiny", "--recipe", "tuned"], "--recipe tuned: tiny has no configuration of it"),
        (["--dataset", "tiny"], "shared/data/tiny/sequences.txt.xz: no such file to make"),
        ([], "--dataset is missing"),
    ],
)
def test_what_cannot_be_run_is_said(options, message, house, capsys):
    with pytest.raises(SystemExit) as end:
        measure.main(options)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def add(house, label, *recalls, users=None):
    """A configuration of `RECIPE/MODEL`, and a row for each recall@50."""
    model = label.split("/")[1]
    path = house / f"benchmarks/configs/tiny/{label}.yaml"
    tiny = "\n".join(CONFIG.splitlines()[:10]).replace("  train_batch_size: 16\n  epochs: 4\n", "")
    path.write_text(f"{tiny}\n  model: {model}\n")
    resolved = run_rows.portable(load_settings(path, (), MODELS))
    for seed, recall in enumerate(recalls, 1):
        test = dict.fromkeys(render.COLUMNS["comirec"].values(), 0.25) | {"recall@50": recall}
        row = {"config": path.relative_to(house).as_posix(), "seed": seed, "date": "2026-01-02"}
        row |= {"versions": {"paddle": "3"}, "test": {model: test}, "resolved": resolved | {"runner.seed": seed}}
        run_rows.append(
            results.file(), row | ({results.USERS: run_rows.pack(users[seed - 1])} if users is not None else {})
        )


def test_the_table_by_hand(house):
    users = np.zeros((3, 4))
    add(house, "paper/item_knn", 0.2, users=users)
    add(house, "paper/gru4rec", 0.2, 0.22, 0.24, users=users)
    add(house, "paper/mind")
    add(house, "paper/remi", 0.2, 0.2398, users=users)
    add(house, "tuned/mind", 0.1, users=users)
    measure.main(["--render"])
    quarter = "25.00 | 25.00 | 25.00"
    dashes = " | ".join("-" * 8)
    assert (house / "docs/results.md").read_text().splitlines() == [
        "before",
        "<!-- quality:tiny -->",
        "| model | recipe | R@20 | NDCG@20 | HR@20 | R@50 | NDCG@50 | HR@50 | ± R@50 | seeds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        f"| `item_knn` | paper | {quarter} | 20.00 | 25.00 | 25.00 | - | 1 |",
        f"| `remi` † | paper | {quarter} | 21.99 | 25.00 | 25.00 | 2.81 | 2 |",
        f"| `gru4rec` | paper | {quarter} | 22.00 | 25.00 | 25.00 | 2.00 | 3 |",
        f"| `mind` | paper | {dashes} |",
        f"| `mind` † | tuned | {quarter} | 10.00 | 25.00 | 25.00 | - | 1 |",
        "<!-- end -->",
        *("between", "<!-- best:tiny -->", "old", "<!-- end -->"),
        "after",
    ]
    head = "# Gave on test, training seed 1: recall@50 10.00, hitrate@50 25.00 (percent; Paddle 3, 2026-01-02)."
    assert (house / "benchmarks/configs/tiny/tuned/mind.yaml").read_text().splitlines()[1] == head


def test_the_short_table_has_the_best_of_each_kind_with_the_interval_of_its_users(house):
    of_users = np.random.default_rng(0).choice([0, 0.5, 1], size=(2, 200))
    add(house, "paper/mind", 0.4, users=of_users)
    add(house, "tuned/mind", 0.3, 0.52, users=of_users)
    add(house, "paper/comirec_dr", 0.39, users=of_users)  # of mind's kind
    add(house, "paper/most_pop", 0.1, users=np.full((1, 200), 0.5))
    add(house, "paper/remi")
    measure.main(["--render"])
    for name, (kinds, head) in {
        "README.md": (("popularity", "dynamic routing"), "| kind | the best of it | recipe | R@50 | 95 % interval |"),
        "README_CN.md": (("热度", "动态路由"), "| 类型 | 该类型最好的 | 设置 | R@50 | 95 % 区间 |"),
    }.items():
        _, _, _, _, _, _, title, _, pop, mind, *_ = (house / name).read_text().splitlines()
        assert title.startswith(head)
        assert pop == f"| {kinds[0]} | `most_pop` | paper | 10.00 | 50.00 - 50.00 | - | 25.00 | 25.00 | 1 |"
        cells = mind.strip("| ").split(" | ")
        assert cells[:4] == [kinds[1], "`mind`", "tuned", "41.00"]
        assert cells[5:] == ["15.56", "25.00", "25.00", "2"]
        error = 196 * of_users.mean(axis=0).std() / 200**0.5
        low, high = map(float, cells[4].split(" - "))
        middle = 100 * of_users.mean()
        assert (low, high) == (pytest.approx(middle - error, abs=0.6), pytest.approx(middle + error, abs=0.6))


def test_each_model_is_of_one_kind():
    assert sorted(model for members in render.KINDS for model in members) == sorted(MODELS)


@pytest.mark.parametrize("made", tables.MADE)
def test_our_tables_and_heads_are_what_the_files_give(made):
    for path, text in made.rendered().items():
        assert path.read_text(encoding="utf-8") == text, "run: python -m benchmarks.tables"


def test_our_configurations_are_short_and_headed_by_their_commands():
    paths = list(ROOT.glob("benchmarks/configs/**/*.yaml"))
    assert paths
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") < 30, path
        assert re.search(r"^# Gave on test", text, re.M), path
        *_, dataset, recipe, model = path.with_suffix("").parts
        command = (
            f"# python -m benchmarks.quality.measure --dataset {dataset} --models {model} --recipe {recipe} --seeds "
        )
        assert command in text, path


@pytest.mark.parametrize(
    "dataset", ["amazon-sports", "amazon-apps", "movielens-100k", "amazon-beauty-mind", "amazon-books", "taobao"]
)
def test_the_papers_recipes_are_the_same_on_each_data_set(dataset):
    own = {"hyper_parameters.item_count", "runner.filter_seen", "runner.seed"}
    own |= {"runner.top_n"} if results.source(dataset).protocol == "mind" else set()
    own |= {"hyper_parameters.maxlen"} if dataset == "taobao" else set()  # 50, ComiRec's
    for label, path in results.configurations(dataset).items():
        if label.startswith("paper/"):
            there = run_rows.portable(load_settings(results.configuration("amazon-beauty", label), (), MODELS))
            here = run_rows.portable(load_settings(path, (), MODELS))
            assert {key for key in here if here[key] != there[key]} <= own, label


def test_every_model_has_its_configurations_for_the_sets_that_are_not_here():
    for dataset in results.PRESETS:
        labels = set(results.configurations(dataset))
        assert labels == {one for one in results.configurations("amazon-beauty") if not one.endswith("/ease")}
        assert {one.removeprefix("paper/") for one in labels if one.startswith("paper/")} == MODELS.keys() - {"ease"}


@pytest.mark.parametrize("dataset", ["amazon-books", "taobao"])
def test_a_log_as_downloaded_gives_a_table_by_one_command(dataset, house, tmp_path, capsys):
    """A made-up log in the form of the real one, and the committed configuration but for its number of items."""
    rows = random_rows(4, 900)
    if dataset == "taobao":
        log = tmp_path / "UserBehavior.csv"
        lines = [
            f"{user[1:]},{item[1:]},{n % 7},pv,{1511539200 + time}" for n, (user, item, time, *_) in enumerate(rows)
        ]
        log.write_text("\n".join(lines) + "\n")
    else:
        log = tmp_path / "reviews_Books.json.gz"
        log.write_bytes(gzip.compress("\n".join(json.dumps(one) for one in as_reviews(rows)).encode()))
    for label in ("paper/most_pop", "paper/mind"):
        path = house / f"benchmarks/configs/{dataset}/{label}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / path.relative_to(house)).read_text()
        path.write_text(text.replace("epochs: 40", "epochs: 1"))
    command = ["--dataset", dataset, "--seeds", "1", "--source", str(log)]
    with pytest.raises(SystemExit):
        measure.main(command)  # the made-up log has fewer items
    fix = re.search(r"run: sed -i 's/(.*?)/(.*?)/' ", capsys.readouterr().err)
    for path in house.glob(f"benchmarks/configs/{dataset}/*/*.yaml"):
        path.write_text(path.read_text().replace(*fix.groups()))
    measure.main(command)
    assert [row["config"].split("/")[-1] for row in results.read_rows(results.file())] == ["mind.yaml", "most_pop.yaml"]
    assert "| `mind` | paper | " in capsys.readouterr().out.replace(" \u2020", "")


def test_leave_one_out_stands_beside_what_was_published(house):
    published_rows = [
        {"dataset": "tiny", "model": "Theirs", "recall@10": 9.0, "ndcg@10": 5.0, "source": "s"},
        {"dataset": "tiny", "model": "The same", "recall@10": 8.0, "ndcg@10": 4.0, "source": "s", "ours": "paper/mind"},
    ]
    for end in ("loo", "loo-full"):
        (house / f"benchmarks/configs/tiny-{end}/paper").mkdir(parents=True)
    for end, recall in (("loo", 0.07), ("loo-full", 0.08)):
        path = house / f"benchmarks/configs/tiny-{end}/paper/mind.yaml"
        path.write_text(CONFIG)
        resolved = run_rows.portable(load_settings(path, (), MODELS))
        test = {"recall@10": recall, "ndcg@10": recall / 2, "recall@50": 0.3}
        row = {"config": path.relative_to(house).as_posix(), "seed": 1, "date": "2026-01-02", "test": {"mind": test}}
        run_rows.append(results.file(), row | {"versions": {"paddle": "3"}, "resolved": resolved | {"runner.seed": 1}})
    head, _, ours, theirs = published.table("tiny", results.read_rows(results.file()), published_rows).splitlines()
    assert head.count("|") == ours.count("|") == theirs.count("|")
    assert ours == "| `mind` | paper | 7.00 | 3.50 | 8.00 | 4.00 | 8.00 | 4.00 | 1/1 |"
    assert theirs == "| Theirs | published | - | - | - | - | 9.00 | 5.00 | - |"
    assert all(one["source"] for name in ("amazon-beauty", "amazon-sports")
               for one in published.others(name, ROOT / "benchmarks/published.jsonl"))  # fmt: skip


def test_the_papers_recipe_is_frozen():
    for label, path in results.configurations("amazon-beauty").items():
        settings = load_settings(path, (), MODELS)
        runner, hyper = settings.runner, settings.hyper_parameters
        if label.startswith("paper/") and hasattr(MODELS[hyper.model], "loss"):
            rate = 0.005 if hyper.model == "comirec_dr" else 0.001
            assert (hyper.optimizer.class_, hyper.optimizer.learning_rate) == ("Adam", rate)
            assert (hyper.similarity, hyper.neg_samples, runner.train_batch_size) == ("dot", 1280, 128)
            assert runner.early_stop == 8


def test_the_interval_is_that_of_a_direct_computation(house, capsys):
    rng = np.random.default_rng(1)
    first = rng.choice([0, 0.5, 1], size=(3, 300), p=(0.5, 0.3, 0.2))
    second = rng.choice([0, 0.5, 1], size=(2, 300), p=(0.6, 0.2, 0.2))
    add(house, "paper/mind", 0.1, 0.1, 0.1, users=first)
    add(house, "tuned/remi", 0.1, 0.1, users=second)
    compare.main(["tiny", "paper/mind", "tuned/remi"])
    title, *lines = capsys.readouterr().out.splitlines()
    assert title == "300 users, seeds: 3 and 2, percent"
    for line, one, other in zip(lines, (first, first > 0), (second, second > 0), strict=True):
        found = [float(number) for number in re.findall(r"[+-]?\d+\.\d+", line)]
        drawn = [rng.integers(300, size=300) for _ in range(4000)]
        means = [100 * (one[:, users].mean() - other[:, users].mean()) for users in drawn]
        low, high = np.percentile(means, [2.5, 97.5])
        a, b = 100 * one.mean(), 100 * other.mean()
        assert found[:3] == pytest.approx([a, b, a - b], abs=0.006)
        assert found[3:5] == pytest.approx([low, high], abs=0.08 * (high - low))
        assert found[5] == pytest.approx(100 * (a - b) / b, abs=0.06)
        assert found[6:] == pytest.approx([100 * low / b, 100 * high / b], abs=8 * (high - low) / b)


def test_rows_without_users_are_named(house):
    add(house, "paper/mind", 0.1, 0.1)
    add(house, "paper/remi")
    rows = results.read_rows(results.file())
    with pytest.raises(UserError, match=r"paper/mind: .* \(its rows, seeds 1, 2, are older"):
        compare.recalls("tiny", "paper/mind", rows)
    with pytest.raises(UserError, match=r"\(no run\); run: python .* --dataset tiny --recipe paper --models remi"):
        compare.recalls("tiny", "paper/remi", rows)


def test_category_paths_without_brands(tmp_path):
    rows = [["b1", "r1", "x", "y"], ["r1", "x"], ["b2", "r2", "x"], ["r1", "z", "y"], [], ["b1", "r2"]]
    names, values = np.unique(np.concatenate([one for one in rows if one]), return_inverse=True)
    arrays = {"names": names, "values": values, "offsets": np.cumsum([0, *map(len, rows)])}
    np.savez(tmp_path / "item_attributes.npz", **{f"attributes.{name}": one for name, one in arrays.items()})
    for level, expected in ((1, [0, 0, 1, 0, None, 1]), (2, [0, 0, 1, 2, None, 3]), (3, [0, 1, 2, 3, None, 4])):
        category = study.categories_at(tmp_path, level, 9)
        assert category[[0, 5, 7, 8]].tolist() == [-1] * 4
        number = {}
        found = [number.setdefault(one, len(number)) if one >= 0 else None for one in category[1:7].tolist()]
        assert found == expected


def test_lambda_is_the_smallest_that_surely_halves():
    rng = np.random.default_rng(0)
    plain = rng.uniform(0.1, 0.3, 400)
    shares = np.array([1, 0.6, 0.499, 0.47, 0.1])
    pairs = plain[:, None] * shares + rng.normal(0, 0.02, (400, 5))
    assert study.choose([0.0, 0.1, 0.2, 0.3, 0.4], pairs, plain, 0.5) == 0.3  # 0.2 does by no more than chance
    assert study.choose([0.0, 0.1], pairs[:, :2], plain, 0.5) is None
    assert study.choose([0.0, 0.1], pairs[:, :2], plain, 0.75) == 0.1


def test_the_study_of_a_checkpoint_and_its_table(house, caplog):
    campaign(house, 1)
    caplog.set_level("INFO")
    argv = [
        "-m",
        "output/quality/tiny/paper/mind-1/best/config.yaml",
        "--lambdas",
        "0.01",
        "5",
        "--levels",
        "leaf",
        "2",
    ]
    study.main(argv)
    study.main([*argv[:-1], "-o", "runner.filter_seen=true"])
    rows = results.read_rows(study.file())
    assert [(row["level"], row["categories"], row["overrides"]) for row in rows] == [
        ("leaf", 9, []),
        (2, 3, []),
        ("leaf", 9, ["runner.filter_seen=true"]),
    ]
    for row in rows:
        assert row["valid"].keys() == {"plain", "0.0", "0.01", "5.0"}
        assert {str(one) for one in row["chosen"].values() if one is not None} <= row["test"].keys()
        assert (
            f"\nplain {'':>9}" in caplog.text.split(f"categories {row['level']}: {row['categories']} of them; valid")[1]
        )
    assert rows[0]["valid"]["plain"] == rows[0]["valid"]["0.0"] == rows[2]["valid"]["plain"]
    assert rows[0]["test"]["0.0"]["recall@50 to plain"] == [0, 0, 0]
    for name, words in study.WORDS.items():
        (house / name).write_text("<!-- study:tiny -->\n<!-- end -->\n")
        text = study.rendered()[house / name]
        assert text.splitlines()[1].split(" | ")[2:6] == ["lambda", words[3], "R@50", "HR@50"]
        assert len(re.findall(r"^\| leaf \| - \| 0 \|", text, flags=re.M)) == 1
        assert len(re.findall(r"^\| leaf \| `filter_seen=true` \| 0 \|", text, flags=re.M)) == 1


def test_a_row_of_the_study_by_hand():
    def of(recall, diversity, **more):
        return {"recall@50": recall, "hitrate@50": 0.4, "diversity@50": diversity} | more

    found = {"0.02": of(0.15, 0.92, **{"recall@50 to plain": [-0.0625, -0.1, -0.02]}), "plain": of(0.16, 0.8)}
    row = {"level": 2, "overrides": [], "valid": {"plain": of(0.2, 0.8), "0.02": of(0.195, 0.9)}, "test": found}
    cells = ["2", "-", "0.02 ‡", "19.50", "15.00", "40.00", "92.00", "40", "-6.2 [-10.0, -2.0]"]
    assert study.lines(row) == [cells, ["2", "-", "0", "20.00", "16.00", "40.00", "80.00", "100", "-"]]
    row["valid"]["0.02"] = of(0.193, 0.9)
    assert study.lines(row)[0][2] == "0.02"


def test_minds_study_runs_what_is_missing_and_takes_the_recipe_from_the_results(house, monkeypatch, capsys):
    (base,) = campaign(house, 1)
    mind_study.file().write_text("")
    monkeypatch.setattr(mind_study, "DATASET", "tiny")
    monkeypatch.setattr(mind_study, "STUDIES", {"pow_p": ("0", ".inf")})
    mind_study.main(["--seeds", "1"])
    (row,) = results.read_rows(mind_study.file())  # .inf is the recipe itself
    assert row["overrides"] == ["hyper_parameters.pow_p=0"]
    assert (row["seed"], row["resolved"]["hyper_parameters.pow_p"]) == (1, 0)
    assert results.read_rows(results.file()) == [base]
    lines = capsys.readouterr().out.splitlines()[-2:]
    for line, value, one in zip(lines, ("0", ".inf"), (row, base), strict=True):
        recall, hitrate = (f"{100 * one['test']['mind'][name]:.2f}" for name in ("recall@50", "hitrate@50"))
        assert line == f"| `pow_p` | {value} | {recall} | - | {hitrate} | {one['best_step']} | 1 |"
    monkeypatch.delattr(measure, "run_once")
    mind_study.main(["--seeds", "1"])


def test_a_data_set_by_minds_protocol(house):
    folder = house / "benchmarks/configs/tiny-mind/paper"
    folder.mkdir(parents=True)
    config = CONFIG.replace("data/tiny", "data/tiny-mind").replace("runner:\n", "runner:\n  top_n: [10, 50, 100]\n")
    (folder / "mind.yaml").write_text(config)
    measure.main(["--dataset", "tiny-mind", "--seeds", "1", "--source", str(house.parent / "source")])
    meta = (house / "data/tiny-mind/meta.yaml").read_text()
    assert "protocol: mind\n" in meta
    (row,) = results.read_rows(results.file())
    test = [100 * row["test"]["mind"][f"hitrate@{n}"] for n in (10, 50, 100)]
    assert test == [100 * row["test"]["mind"][f"recall@{n}"] for n in (10, 50, 100)]
    head, _, line = render.table("tiny-mind", [row], render.PAGES["docs/results.md"]).splitlines()
    assert head == "| model | recipe | HR@10 | HR@50 | HR@100 | ± HR@50 | seeds |"
    assert line == "| `mind` | paper | {:.2f} | {:.2f} | {:.2f} | - | 1 |".format(*test)
    assert "hitrate@10 {:.2f}, hitrate@50 {:.2f}, hitrate@100 {:.2f} (".format(*test) in (
        (folder / "mind.yaml").read_text()
    )


def test_costs_of_a_model_with_steps_and_of_one_without(house, monkeypatch):
    campaign(house, 1)
    add(house, "paper/most_pop")
    monkeypatch.setattr(cost, "DATASET", "tiny")
    monkeypatch.setattr(cost, "STEPS", 2)
    rows = [cost.measure(model) for model in ("mind", "most_pop")]
    assert [row["model"] for row in rows] == ["mind", "most_pop"]
    assert all(row["peak_mb"] > 50 for row in rows)
    assert rows[0]["ms_per_step"] > 0
    assert rows[1]["fit_s"] >= 0


def test_the_table_of_costs_by_hand(house, monkeypatch):
    (run,) = campaign(house, 1)
    monkeypatch.setattr(cost, "DATASET", "tiny")
    speed = {"samples_per_s": 18436, "ms_per_step": 6.94, "times_mind": 1, "times_dense": 17.31, "times_gemm": 14}
    costs = [{"model": "mind", "ms_per_step": 1e5, "peak_mb": 1375}, {"model": "wals", "fit_s": 2.41, "peak_mb": 400}]
    for name, rows in (("speed", [{"model": "mind"} | speed]), ("cost", costs)):
        (house / f"benchmarks/runs/{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert cost.table(("model", *"abcdefgh")).splitlines()[2:] == [
        f"| `mind` | 18,436 | 6.94 | 1.00 | 17.3 | 14.0 | 100000.00 | {100 * run['best_step']:,} | 1,375 |",
        "| `wals` | - | - | - | - | - | - | 2.4 | 400 |",
    ]


def test_the_table_of_peers_by_hand(house):
    common = {"paddle": "3.3.1", "torch": "2.13.0", "times_dense": 10.0}
    own = [
        (128, False, 8000, 12000),
        (128, True, 14400, 12000),
        (1024, False, 16000, 20000),
        (1024, True, 28800, 20000),
    ]
    names = ("batch", "compiled", "paired_samples_per_s", "peer_samples_per_s")
    rows = [common | dict(zip(names, one, strict=True), samples_per_s=one[2]) for one in own]
    (house / "benchmarks/runs/peers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert cost.short(("MIND", "B = {:,}", "dense", "ours")).splitlines() == [
        "| MIND | B = 128 | B = 1,024 |",
        "| --- | --- | --- |",
        "| dense (Paddle 3.3.1) | 800 | 1,600 |",
        "| PyTorch 2.13.0, `torch.compile` | 12,000 | 20,000 |",
        "| ours | 8,000 | 16,000 |",
        "| ours, `runner.compiled: true` | 14,400 | 28,800 |",
    ]


def test_cross_validation_measures_each_user_of_train_and_valid_once(house, capsys, monkeypatch):
    campaign(house, 1)  # makes the data set
    for recipe in ("paper", "tuned"):
        path = house / f"benchmarks/configs/tiny/{recipe}/most_pop.yaml"
        path.write_text(re.sub(r"model: .*(\n.*)*", "model: most_pop\n", CONFIG))
    with pytest.raises(UserError, match="paper/mind: is trained by gradient"):
        crossval.main.__wrapped__(["tiny", "paper/most_pop", "paper/mind"])
    crossval.main(["tiny", "paper/most_pop", "tuned/most_pop"])

    def users(folder):
        return read_sequences(data_files(folder), 101).users.tolist()

    data, parts = house / "data/tiny", [house / f"data/tiny-parts/{part}" for part in range(1, 6)]
    everyone = sorted(users(data / "train") + users(data / "valid"))
    assert sorted(user for part in parts for user in users(part / "test")) == everyone
    for part in parts:
        assert sorted(users(part / "train") + users(part / "test")) == everyone
    rows = results.read_rows(crossval.file())
    assert [row["seed"] for row in rows] == 2 * [1, 2, 3, 4, 5]
    mean = np.concatenate([run_rows.unpack(row[results.USERS]) for row in rows[:5]]).mean()
    told = f"{len(everyone)} users, seeds: 1 and 1, percent\nrecall@50: {100 * mean:.2f} against {100 * mean:.2f}"
    assert f"paper/most_pop against tuned/most_pop: {told}" in capsys.readouterr().out
    monkeypatch.delattr(measure, "run_once")
    crossval.main(["tiny", "paper/most_pop", "tuned/most_pop"])  # nothing is run again
