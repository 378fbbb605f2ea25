"""What figures cannot say is counted: by hand, in the log of trainer and infer, and in metrics.json."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import infer
import trainer
from tools.common.ragged import ragged
from tools.evaluation.targets import count_targets, tell
from tools.retrieval.selection import Selection


def batch(users, seen, target):
    rows = [
        ragged([len(one) for one in lists], np.array([item for one in lists for item in one], np.int64))
        for lists in (seen, target)
    ]
    return SimpleNamespace(user=np.array(users), seen=rows[0], target=rows[1])


BATCHES = [
    batch([1, 2], [[1, 2, 3], [9, 8]], [[2, 5, 2], [8, 9, 9]]),  # 2 of user 1's; all of user 2's, who has no other
    batch([3, 1], [[4], [4]], [[6, 7], [1]]),  # 4 is of no one's targets; user 1 stands there twice
]


def test_targets_are_counted_by_hand():
    trained = np.isin(np.arange(10), [1, 2, 5, 6, 9])
    found = count_targets(BATCHES, filter_seen=True, trained=trained)
    assert found == {
        "users": 4, "targets": 7, "repeated": 2, "in_history": 3, "unreachable": 3, "unreachable_users": 1,
        "users_twice": 1, "untrained": 2,
    }  # fmt: skip
    without = count_targets(BATCHES, filter_seen=False)
    assert (without["in_history"], without["unreachable"], without["unreachable_users"]) == (3, 0, 0)
    assert "untrained" not in without
    selection = Selection(allowed=np.isin(np.arange(10), [2, 6, 8, 9]))
    assert count_targets(BATCHES, filter_seen=False, selection=selection)["filtered"] == 3  # 5, 7 and 1


def test_what_misleads_is_told_and_nothing_else(caplog):
    caplog.set_level("INFO")
    tell("test", count_targets(BATCHES, filter_seen=True, trained=np.isin(np.arange(10), [1])), [5, 20, 9], 9)
    told = [one.message for one in caplog.records]
    assert told == [
        "test: filter_seen leaves out 3 of 7 targets (42.9 %), which stand in their user's history; 1 of 4 users have "
        "no other; where items are met again, set runner.filter_seen to false",
        "test: 6 of 7 targets stand in no training row, so ids say nothing of them",
        "test: 2 targets stand with their user before; each counts once",
        "test: 1 of 4 users stand there before; each counts again",
        "test: a list of 9 holds the whole catalogue of 9 items, whatever the model: choose a smaller runner.top_n",
    ]
    caplog.clear()
    tell("test", count_targets([batch([1], [[1]], [[2]])], filter_seen=True, trained=np.ones(9, bool)), [5], 9)
    assert not caplog.records


@pytest.mark.parametrize("filter_seen", [True, False])
def test_who_meets_items_again_is_told_what_filter_seen_costs(filter_seen, write_dataset, tmp_path, capsys):
    again = {f"u{user}": [f"i{(user + event) % 6}" for event in range(20)] for user in range(20)}
    folder = write_dataset(again)
    splits = "".join(f"  {name}_data_dir: {folder}/{name}\n" for name in ("train", "valid", "test"))
    (tmp_path / "c.yaml").write_text(
        f"runner:\n{splits}  epochs: 1\n  top_n: [3]\n  best_metric: recall@3\n  filter_seen: {filter_seen}\n"
        f"  model_save_path: {tmp_path}/out\n"
        "hyper_parameters: {item_count: 7, embedding_dim: 4, maxlen: 5, neg_samples: 3}\n"
    )
    trainer.main(["-m", str(tmp_path / "c.yaml")])
    line = "WARNING - valid: filter_seen leaves out 8 of 8 targets (100.0 %)"
    assert capsys.readouterr().err.count(line) == filter_seen
    infer.main(["-m", str(tmp_path / "c.yaml")])
    assert capsys.readouterr().err.count("WARNING - test: filter_seen leaves out 8 of 8 targets") == filter_seen
    for row in json.loads((tmp_path / "out/metrics.json").read_text()).values():
        assert row["targets"]["in_history"] == row["targets"]["targets"] == 8
        assert row["targets"]["unreachable"] == (8 if filter_seen else 0)
        assert row["targets"]["unreachable_users"] == (row["users"] if filter_seen else 0)
        assert row["recall@3"] == 0 or not filter_seen
