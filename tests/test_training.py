"""The road as a whole, on users with planted interests."""

import json
import logging
import re

import numpy as np
import paddle
import pytest
from registry import GRADIENT, SEVERAL

import infer
import trainer
from models import MODELS
from tools.preprocess import main as preprocess
from tools.training import checkpoint
from tools.training.settings import load_settings

pytestmark = pytest.mark.slow

CLUSTERS, SIZE, INTERESTS = 24, 12, 3  # items of one cluster are liked by the same users


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """600 users with 3 of 24 clusters each, 36 items a user, all shuffled: one interest at a time says nothing."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("planted")
    lines = []
    for user in range(600):
        liked = rng.choice(CLUSTERS, INTERESTS, replace=False)
        items = [f"{cluster}.{item}" for cluster in liked for item in range(SIZE)]
        lines.append(" ".join([f"u{user}", *rng.permutation(items)]))
    (folder / "log.txt").write_text("\n".join(lines))
    preprocess(["sequences", str(folder / "log.txt"), "--output", str(folder / "data")])
    (folder / "config.yaml").write_text(
        """
runner:
  train_data_dir: data/train
  valid_data_dir: data/valid
  test_data_dir: data/test
  train_batch_size: 512
  epochs: 6
  filter_seen: true
  top_n: [5, 20]
  best_metric: recall@20
hyper_parameters:
  item_count: 289
  embedding_dim: 8
  maxlen: 18
  neg_samples: 100
  optimizer: {learning_rate: 0.05}
"""
    )
    return folder


def run(planted, output, *options):
    """Train and infer; the metrics of the best step on test."""
    overrides = [f"runner.model_save_path={output}", *options]
    trainer.main(["-m", str(planted / "config.yaml"), "-o", *overrides])
    infer.main(["-m", str(planted / "config.yaml"), "-o", *overrides])
    rows = json.loads((output / "metrics.json").read_text())
    return next(row for name, row in rows.items() if name != "MostPop"), rows["MostPop"]


IDENTITY = "hyper_parameters.near_identity=true"  # else the seed decides whether capsules find the clusters
OPTIONS = {  # what a model needs here; some learn faster than the others
    "mind": [IDENTITY],
    "shared_capsule": [IDENTITY],
    "comirec_dr": [IDENTITY],
    "comirec_sa": ["runner.epochs=8", "hyper_parameters.optimizer.learning_rate=0.1"],  # one head is good, and slower
    "re4": ["runner.epochs=3", "hyper_parameters.re4_temperature=0.1"],  # vectors of this learning rate are long
    "two_tower": [
        IDENTITY,
        "hyper_parameters.embedding_dim=16",
        "hyper_parameters.interests=mind",
        "hyper_parameters.tower_sizes=[]",
    ],
    "youtube_dnn": ["runner.epochs=10"],
    "sasrec": [
        "runner.train_batch_size=64",
        "runner.epochs=30",
        "runner.eval_interval=300",
        "hyper_parameters.train_sampling=sequence",
        "hyper_parameters.optimizer.learning_rate=0.03",
    ],
    # 12,800 at D = 64: the variance is divided by D, squared.
    "remi": ["hyper_parameters.routing_regularization=200"],
}


@pytest.mark.parametrize("name", [one for one in SEVERAL if one in GRADIENT])
def test_planted_interests_are_recovered_and_beat_one_interest(name, planted, tmp_path):
    options = [f"hyper_parameters.model={name}", *OPTIONS.get(name, ())]
    several, popular = run(planted, tmp_path / "k4", *options)
    single, _ = run(planted, tmp_path / "k1", *options, "hyper_parameters.interest_num=1")
    assert several["recall@20"] > 1.1 * single["recall@20"]
    assert several["recall@20"] > 4 * popular["recall@20"]
    assert several["recall@20"] > 0.6
    assert clusters_found(planted, tmp_path / "k4") > 0.7  # two of the three are .67


@pytest.mark.parametrize("name", [one for one in GRADIENT if one not in SEVERAL])
def test_one_vector_learns_planted_interests_as_well_as_one_can(name, planted, tmp_path):
    learnt, popular = run(planted, tmp_path, f"hyper_parameters.model={name}", *OPTIONS.get(name, ()))
    assert learnt["recall@20"] > 2.5 * popular["recall@20"]


def clusters_found(planted, output):
    """Share of test users' three clusters that the first items of their interests name."""
    settings = load_settings(output / "best" / "config.yaml")
    from tools.data.dataset import read_map
    from tools.retrieval.retriever import Retriever
    from tools.training.dygraph import DygraphModel
    from tools.training.splits import open_split

    graph = DygraphModel()
    model = graph.create_model(settings)
    model.set_state_dict(paddle.load(str(output / "best" / "rec.pdparams")))
    names = read_map(planted / "data" / "item_map.csv")
    cluster = np.array([-1, *(int(names[item].split(".")[0]) for item in range(1, 289))])
    retriever, shares = Retriever.exact(model.item_vectors().numpy()), []
    for batch in open_split("test", settings):
        first, _ = retriever.search(*graph.infer_forward(model, batch), 1)  # [U, K, 1]
        for user in range(len(batch.user)):
            planted_ones = set(cluster[batch.seen.take([user]).values])
            shares.append(len(planted_ones & set(cluster[first[user, :, 0]])) / len(planted_ones))
    return np.mean(shares)


@pytest.fixture(scope="module")
def trained(planted, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "out"
    run(planted, output, "runner.epochs=2")
    return output


def test_a_run_leaves_each_epoch_the_best_step_and_its_configuration(trained, planted):
    assert sorted(path.name for path in trained.iterdir()) == ["0", "1", "best", "history.csv", "metrics.json"]
    for name in ("0", "1", "best"):
        assert {path.name for path in (trained / name).iterdir()} == {
            "rec.pdparams", "rec.pdopt", "config.yaml", "state.json", "identity.json", "item_map.csv", "SHA256SUMS",
        }  # fmt: skip
    settings = load_settings(trained / "best" / "config.yaml", (), MODELS)
    assert settings.hyper_parameters.embedding_dim == 8
    assert settings.runner.train_data_dir == str(planted / "data" / "train")


def test_infer_reports_a_range_of_epochs(trained, planted, caplog):
    caplog.set_level(logging.INFO)
    options = [
        "-top_n",
        "3",
        "-o",
        f"runner.infer_load_path={trained}",
        "runner.infer_start_epoch=0",
        "runner.infer_end_epoch=2",
    ]
    infer.main(["-m", str(planted / "config.yaml"), *options])
    assert re.search(
        r"epoch: 0 done, recall@3: \d+\.\d\d %, ndcg@3: .* %, hitrate@3: .* %, .*epoch time: [\d.]+ s", caplog.text
    )
    assert "epoch: 1 done" in caplog.text
    assert "epoch: 2 done" not in caplog.text


def test_training_log_has_paddlerec_s_lines(planted, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    options = [f"runner.model_save_path={tmp_path}", "runner.epochs=1", "runner.print_interval=10"]
    trainer.main(["-m", str(planted / "config.yaml"), "-o", *options])
    line = (
        r"epoch: 0, batch_id: 10, loss:[\d.]+, avg_reader_cost: [\d.]+ sec, avg_batch_cost: [\d.]+ sec, "
        r"avg_samples: 512.00000, ips: [\d.]+ ins/s"
    )
    assert re.search(line, caplog.text)
    assert re.search(r"epoch: 0 done, epoch time: [\d.]+ s", caplog.text)


def test_recommendations_are_in_the_user_s_own_ids(trained, planted, tmp_path):
    options = ["-o", f"runner.infer_load_path={trained}", "runner.top_n=5", "runner.best_metric=recall@5"]
    infer.main(["-m", str(planted / "config.yaml"), "--recommend", str(tmp_path / "table.csv"), *options])
    header, *rows = (tmp_path / "table.csv").read_text().splitlines()
    assert header == "user,rank,item,score,interest"
    assert len(rows) == 60 * 5
    seen = {line.split()[0]: line.split()[1:] for line in (planted / "log.txt").read_text().splitlines()}
    for start in range(0, len(rows), 5):
        lists = [row.split(",") for row in rows[start : start + 5]]
        assert [one[1] for one in lists] == list("12345")
        scores = [float(one[3]) for one in lists]
        assert scores == sorted(scores, reverse=True)
        history = seen[lists[0][0]][: int(0.8 * 36)]
        assert not {one[2] for one in lists} & set(history)


def test_one_seed_gives_one_run(planted, tmp_path):
    for name in ("a", "b"):
        trainer.main(
            ["-m", str(planted / "config.yaml"), "-o", f"runner.model_save_path={tmp_path / name}", "runner.epochs=1"]
        )
    one, other = (paddle.load(str(tmp_path / name / "0" / "rec.pdparams")) for name in ("a", "b"))
    assert all((one[key].numpy() == other[key].numpy()).all() for key in one)


def test_early_stopping_ends_the_run_and_keeps_the_best(planted, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    options = [
        f"runner.model_save_path={tmp_path}",
        "runner.eval_interval=5",
        "runner.early_stop=2",
        "runner.epochs=50",
    ]
    trainer.main(["-m", str(planted / "config.yaml"), "-o", *options, "hyper_parameters.optimizer.learning_rate=0.0"])
    assert "no better recall@20 in 2 evaluations: stopped" in caplog.text
    assert json.loads((tmp_path / "best" / "state.json").read_text())["step"] == 5
    assert {path.name for path in tmp_path.iterdir()} == {"best", "history.csv"}  # no whole epoch was run


def test_a_run_shorter_than_the_interval_is_evaluated_at_its_end(planted, tmp_path):
    options = [f"runner.model_save_path={tmp_path}", "runner.eval_interval=100000", "runner.epochs=1"]
    trainer.main(["-m", str(planted / "config.yaml"), "-o", *options])
    assert json.loads((tmp_path / "best" / "state.json").read_text())["step"] == 30


@pytest.mark.parametrize("decay", ["cosine", "linear", "exponential"])
def test_learning_rate_decays_to_its_share(decay, planted, tmp_path):
    options = [f"hyper_parameters.optimizer.decay={decay}", "hyper_parameters.optimizer.decay_rate=0.1"]
    options += [f"runner.model_save_path={tmp_path}", "runner.epochs=1", "runner.train_batch_size=512"]
    settings = load_settings(planted / "config.yaml", options, MODELS)
    run_of = trainer.Trainer(settings)
    assert run_of.optimizer.get_lr() == pytest.approx(0.05)
    run_of.train()
    assert run_of.optimizer.get_lr() == pytest.approx(0.005, rel=1e-3)


@pytest.mark.parametrize("optimizer", ["Adam", "SGD", "Adagrad", "Momentum"])
def test_optimizers_leave_rows_alone_that_were_not_looked_up(optimizer, planted, tmp_path):
    options = [f"hyper_parameters.optimizer.class={optimizer}", "hyper_parameters.item_count=5000"]
    settings = load_settings(planted / "config.yaml", options, MODELS)
    run_of = trainer.Trainer(settings)
    before = run_of.model.item_table.weight.numpy()
    batch = run_of.train_data.batch(0)
    for _ in range(2):
        run_of.train_step(batch)
    changed = set(np.flatnonzero((run_of.model.item_table.weight.numpy() != before).any(axis=1)))
    assert set(np.unique(batch[1])) <= changed
    assert len(changed) < 800
    assert 0 not in changed


def test_model_init_path_starts_from_a_checkpoint_with_its_optimizer(trained, planted, tmp_path):
    """PaddleRec saves the optimizer and never loads it."""
    settings = load_settings(planted / "config.yaml", [f"runner.model_init_path={trained / '1'}"], MODELS)
    run_of = trainer.Trainer(settings)
    saved = paddle.load(str(trained / "1" / "rec.pdparams"))
    assert all((value.numpy() == saved[key].numpy()).all() for key, value in run_of.model.state_dict().items())
    moments = paddle.load(str(trained / "1" / "rec.pdopt"))
    # Accumulators are handed to the parameters at the first step, so one step tells whether they were.
    run_of.train_step(run_of.train_data.batch(0))
    after = checkpoint._rename(run_of.optimizer.state_dict(), checkpoint._names(run_of.model))
    assert set(after) == set(moments)
    power = "extractor.linear.weight_beta2_pow_acc_0"
    assert after[power].item() == pytest.approx(moments[power].item() * 0.999, rel=1e-4)


@pytest.mark.parametrize(
    "options, message",
    [
        (["hyper_parameters.item_count=100"], r"interactions.csv:\d+: item \d+ is not from 1 to item_count - 1 = 99"),
        (["runner.train_data_dir=nowhere"], r"nowhere: no data here; make it with: python -m tools.preprocess"),
        (["runner.train_reader_path=no_such"], r"reader 'no_such': No module named"),
        (["hyper_parameters.min_history=500"], r"no user has more than min_history = 500 items"),
        (["hyper_parameters.model=mnd"], r"'mnd' is not one of mind, .*; did you mean mind\?"),
    ],
)
def test_wrong_input_ends_with_code_2_and_one_line(options, message, planted, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        trainer.main(["-m", str(planted / "config.yaml"), "-o", f"runner.model_save_path={tmp_path}", *options])
    assert end.value.code == 2
    printed = capsys.readouterr().err
    errors = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert re.search(message, errors[0])
    assert "Traceback" not in printed
    assert not list(tmp_path.iterdir())


def test_infer_names_what_differs_from_training(trained, planted, capsys):
    options = [f"runner.infer_load_path={trained}", "hyper_parameters.maxlen=9"]
    with pytest.raises(SystemExit) as end:
        infer.main(["-m", str(planted / "config.yaml"), "-o", *options])
    assert end.value.code == 2
    assert "trained with hyper_parameters.maxlen: 18, the configuration has 9" in capsys.readouterr().err


def test_infer_without_a_checkpoint_says_what_to_do(planted, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        infer.main(["-m", str(planted / "config.yaml"), "-o", f"runner.infer_load_path={tmp_path}"])
    assert end.value.code == 2
    assert "no rec.pdparams here; train first: python trainer.py -m config.yaml" in capsys.readouterr().err
