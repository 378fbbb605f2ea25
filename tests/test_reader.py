import logging
import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from paddle.io import DataLoader

from reader import InferDataset, RecDataset
from tools.common.errors import UserError
from tools.data.dataset import data_files, read_map
from tools.training.splits import open_split


@pytest.fixture
def train(tmp_path, settings):
    """`train([5, 9], maxlen=3)`: a reader over users of these lengths, item 100·user + position + 1 at a position."""

    def build(lengths, **values):
        (tmp_path / "train").mkdir(exist_ok=True)
        rows = [f"{user},{100 * user + k + 1},{k}\n" for user, length in enumerate(lengths) for k in range(length)]
        (tmp_path / "train" / "rows.txt").write_text("".join(rows))
        config = settings(tmp_path, item_count=100 * len(lengths) + 1, **values)
        return RecDataset(data_files(tmp_path / "train"), config)

    return build


@pytest.fixture
def infer(tmp_path, settings):
    """`infer({7: [3, 1, 2]}, maxlen=3)`: a reader over these users; a text is written as it is."""

    def build(users, **values):
        (tmp_path / "test").mkdir(exist_ok=True)
        if not isinstance(users, str):
            users = "".join(f"{user},{item},{k}\n" for user, items in users.items() for k, item in enumerate(items))
        (tmp_path / "test" / "rows.txt").write_text(users)
        return InferDataset(data_files(tmp_path / "test"), settings(tmp_path, item_count=1000, **values))

    return build


def drawn(batches):
    """(user, position) of every row, read off the target."""
    return [divmod(int(target) - 1, 100) for _, targets, _ in batches for (target,) in targets]


def as_lists(batches):
    return [[np.asarray(array).tolist() for array in batch] for batch in batches]


def eligible(lengths, min_history=4):
    return {(user, k) for user, length in enumerate(lengths) for k in range(min_history, length)}


LENGTHS = [3, 4, 5, 6, 9, 12, 30, 1, 5, 17]


@pytest.mark.parametrize("sampling", ["user", "position", "sequence"])
@pytest.mark.parametrize("maxlen, batch_size", [(1, 7), (5, 16), (20, 128)])
def test_shapes_and_types(train, sampling, maxlen, batch_size):
    for batch in train(LENGTHS, maxlen=maxlen, train_batch_size=batch_size, train_sampling=sampling):
        assert [array.shape for array in batch] == [(batch_size, maxlen), (batch_size, 1), (batch_size,)]
        assert [array.dtype for array in batch] == [np.int64] * 3


@pytest.mark.parametrize("sampling", ["user", "position", "sequence"])
@pytest.mark.parametrize("min_history", [1, 4, 7])
@pytest.mark.parametrize("maxlen", [1, 5, 20, 50])
def test_history_is_the_last_items_before_the_target(train, sampling, min_history, maxlen):
    data = train(LENGTHS, maxlen=maxlen, min_history=min_history, train_sampling=sampling, train_batch_size=64)
    for hist_item, target_item, seq_len in (data.batch(step) for step in range(5)):
        for history, (target,), length in zip(hist_item.tolist(), target_item.tolist(), seq_len.tolist(), strict=True):
            user, k = divmod(target - 1, 100)
            before = [100 * user + n + 1 for n in range(k)][-maxlen:]
            assert min_history <= k < LENGTHS[user]
            assert history == before + [0] * (maxlen - len(before))
            assert length == len(before)


@pytest.mark.parametrize("targets", [1, 3, 40])
@pytest.mark.parametrize("sampling", ["user", "position", "sequence"])
def test_targets_are_the_next_items_and_0_where_there_are_fewer(train, sampling, targets):
    data = train(LENGTHS, targets=targets, train_sampling=sampling, train_batch_size=64)
    ends = 0
    for batch in (data.batch(step) for step in range(5)):
        assert batch[1].shape == (64, targets)
        assert batch[1].dtype == np.int64
        for found in batch[1].tolist():
            user, k = divmod(found[0] - 1, 100)
            expected = [100 * user + n + 1 for n in range(k, LENGTHS[user])][:targets]
            assert found == expected + [0] * (targets - len(expected))
            ends += 0 in found
    assert (ends > 0) == (targets > 1)


def test_a_sequence_is_each_user_once_an_epoch_with_the_last_item_as_the_target(train):
    data = train(LENGTHS, train_sampling="sequence", min_history=2, train_batch_size=4)
    asked = [user for user, length in enumerate(LENGTHS) if length > 2]
    orders = []
    for epoch in range(2):
        data.set_epoch(epoch)
        assert data.batches == -(-len(asked) // 4)
        last = np.concatenate([batch[1] for batch in data]).ravel()[: len(asked)]
        users, places = np.divmod(last - 1, 100)
        assert sorted(users) == asked
        assert [LENGTHS[user] - 1 for user in users] == places.tolist()
        orders.append(users.tolist())
    assert orders[0] != orders[1]
    data.set_epoch(0, 1)
    assert (next(iter(data))[1].ravel() // 100).tolist() == orders[0][4:8]  # an interrupted epoch goes on


def test_items_are_those_of_the_data_set(write_dataset, settings):
    log = {f"u{user}": [f"{user}:{k}" for k in range(8 + user % 5)] for user in range(20)}
    folder = write_dataset(log)
    names = read_map(folder / "item_map.csv")
    data = open_split("train", settings(folder, item_count=1 + sum(map(len, log.values())), maxlen=6))
    assert data.positions > 0
    for hist_item, target_item, _ in data:
        for history, (target,) in zip(hist_item.tolist(), target_item.tolist(), strict=True):
            user, k = map(int, names[target].split(":"))
            assert [names[item] for item in history if item] == log[f"u{user}"][max(k - 6, 0) : k]


def test_a_prepared_split_stays_in_its_files(write_dataset, settings):
    folder = write_dataset({f"u{user}": [f"i{k}" for k in range(9)] for user in range(2000)})
    data = open_split("train", settings(folder, item_count=10))
    for array in (data.user, data.items.values, data.items.offsets):
        assert isinstance(array if isinstance(array, np.memmap) else array.base, np.memmap)
    held = [one for one in vars(data).values() if isinstance(one, np.ndarray) and not isinstance(one, np.memmap)]
    assert sum(one.nbytes for one in held) <= 8 * 1600 + 4  # beside 36 bytes of items a user


def test_a_fit_takes_users_of_any_length(write_dataset, settings, caplog):
    """A model without steps has no `min_history`: nobody with two items is left out, and no log is refused for it."""
    folder = write_dataset({f"u{user}": ["a", "b", "c"][: 1 + user % 3] for user in range(30)}, "--protocol", "random")
    with pytest.raises(UserError, match="more than min_history = 4"):
        open_split("train", settings(folder, item_count=4))
    with caplog.at_level("INFO"):
        open_split("train", settings(folder, item_count=4, model="item_knn"))
    assert "with 1 items or fewer left out" in caplog.text


@pytest.mark.parametrize("sampling", ["user", "position"])
@pytest.mark.parametrize("min_history", [1, 4])
def test_every_eligible_position_is_drawn_and_no_other(train, sampling, min_history):
    data = train(LENGTHS, train_sampling=sampling, min_history=min_history, train_batch_size=64)
    assert data.positions == len(eligible(LENGTHS, min_history))
    assert set(drawn(data.batch(step) for step in range(150))) == eligible(LENGTHS, min_history)


def chi_square(found, share):
    """Distance from the expected shares in standard deviations of its own chance value."""
    total = sum(found.values())
    value = sum((found[one] - total * part) ** 2 / (total * part) for one, part in share.items())
    return (value - len(share) + 1) / math.sqrt(2 * (len(share) - 1))


def test_the_two_samplings_are_uniform_each_in_its_way(train):
    lengths = [5, 6, 8, 14, 44]
    positions = eligible(lengths)
    share = {
        "user": {(user, k): 1 / len(lengths) / (lengths[user] - 4) for user, k in positions},
        "position": {one: 1 / len(positions) for one in positions},
    }
    for sampling, other in (("user", "position"), ("position", "user")):
        data = train(lengths, train_sampling=sampling, train_batch_size=500)
        found = Counter(drawn(data.batch(step) for step in range(40)))
        assert abs(chi_square(found, share[sampling])) < 5
        assert chi_square(found, share[other]) > 50


@pytest.mark.parametrize("batch_size", [1, 5, 22, 23, 1000])
def test_batches_an_epoch(train, batch_size):
    data = train([3, 4, 6, 9, 19], train_batch_size=batch_size)
    assert len(list(iter(data))) == data.batches == math.ceil((2 + 5 + 15) / batch_size)


@pytest.mark.parametrize("num_workers", [0, 1, 2, 3])
def test_the_order_does_not_depend_on_the_processes(train, num_workers):
    data = train(LENGTHS, train_batch_size=3)
    for epoch in (0, 1):
        data.set_epoch(epoch)
        expected = [data.batch(step) for step in range(data.batches)]
        loader = DataLoader(data, batch_size=None, num_workers=num_workers)
        batches = [[tensor.numpy() for tensor in batch] for batch in loader]
        assert as_lists(batches) == as_lists(expected)
        assert {array.dtype for batch in batches for array in batch} == {np.dtype(np.int64)}


def test_one_seed_gives_one_order(train):
    assert as_lists(train(LENGTHS, seed=5)) == as_lists(train(LENGTHS, seed=5))


def test_another_seed_epoch_or_step_gives_other_samples(train):
    orders = []
    for seed in (0, 1, 2):
        data = train(LENGTHS, seed=seed, train_batch_size=8)
        for epoch in (0, 1, 2):
            data.set_epoch(epoch)
            orders += [tuple(drawn([batch])) for batch in data]
    assert len(set(orders)) == len(orders)


def test_12800_draws_are_distinct_examples(train):
    lengths = [44] * 500
    found = set(drawn(train(lengths).batch(step) for step in range(100)))
    expected = 20000 * (1 - math.exp(-12800 / 20000))  # of 20,000 positions, each as likely
    assert abs(len(found) - expected) < 300


def test_users_too_short_to_train_are_counted(train, caplog):
    caplog.set_level(logging.INFO)
    train(LENGTHS)
    assert "7 users, 56 positions; 3 users with 4 items or fewer left out" in caplog.text


def test_nobody_to_train_is_an_error(train):
    with pytest.raises(UserError, match="min_history = 4"):
        train([1, 4, 4])


USERS = {10 * user + 3: [1 + (7 * user + k) % 99 for k in range(1 + user * 3 % 50)] for user in range(23)}


@pytest.mark.parametrize("batch_size, sizes", [(5, [5, 5, 5, 5, 2]), (11, [11, 11]), (512, [22]), (1, [1] * 22)])
def test_every_user_once_and_the_last_batch_short(infer, batch_size, sizes):
    data = infer(USERS, infer_batch_size=batch_size)
    for _ in range(2):  # evaluated many times in a run
        batches = list(iter(data))
        assert [len(batch.user) for batch in batches] == sizes
        assert [user for batch in batches for user in batch.user] == [u for u in USERS if len(USERS[u]) > 1]


@pytest.mark.parametrize("maxlen", [1, 3, 20, 64])
def test_history_is_cut_and_targets_are_not(infer, maxlen):
    checked = 0
    for batch in infer(USERS, maxlen=maxlen, infer_batch_size=6):
        assert batch.hist_item.shape == (len(batch.user), maxlen)
        assert batch.hist_item.dtype == batch.seq_len.dtype == batch.user.dtype == np.int64
        assert len(batch.seen.offsets) == len(batch.target.offsets) == len(batch.user) + 1
        seen, target = (
            [rows.values[a:b].tolist() for a, b in pairwise(rows.offsets)] for rows in (batch.seen, batch.target)
        )
        for row, user in enumerate(batch.user.tolist()):
            items = USERS[user]
            cut = int(0.8 * len(items))
            history = items[:cut][-maxlen:]
            assert batch.hist_item[row].tolist() == history + [0] * (maxlen - len(history))
            assert batch.seq_len[row] == len(history)
            assert (seen[row], target[row]) == (items[:cut], items[cut:])
            checked += 1
    assert checked == 22


def test_paddlerec_evaluation_format(infer):
    text = "user_id:9 target_item:0 hist_item:3 hist_item:4 hist_item:5 eval_item:8 eval_item:3 eval_item:1\n"
    text += "user_id:2 target_item:0 hist_item:7 eval_item:7\n"
    (batch,) = infer(text, maxlen=2)
    assert batch.user.tolist() == [9, 2]
    assert batch.hist_item.tolist() == [[4, 5], [7, 0]]
    assert (batch.seen.values.tolist(), batch.seen.offsets.tolist()) == ([3, 4, 5, 7], [0, 3, 4])
    assert (batch.target.values.tolist(), batch.target.offsets.tolist()) == ([8, 3, 1, 7], [0, 3, 4])


def test_evaluation_of_a_prepared_split(write_dataset, settings):
    folder = write_dataset({f"u{user}": [f"i{(user + k) % 30}" for k in range(10)] for user in range(100)})
    batches = list(iter(open_split("test", settings(folder, item_count=31, infer_batch_size=4))))
    assert [len(batch.user) for batch in batches] == [4, 4, 2]
    assert all(batch.target.lengths.tolist() == [2] * len(batch.user) for batch in batches)


@pytest.mark.parametrize(
    "users, said",
    [
        ({1: [1, 2], 2: [3], 3: [4, 5, 6], 4: [7]}, "2 users; 2 without history or target left out"),
        ("user_id:1 hist_item:2\nuser_id:2 eval_item:3\nuser_id:3 hist_item:2 eval_item:3\n", "1 users; 2 without"),
    ],
)
def test_users_too_short_to_evaluate_are_counted(infer, caplog, users, said):
    caplog.set_level(logging.INFO)
    infer(users)
    assert said in caplog.text


def test_nobody_to_evaluate_is_an_error(infer):
    with pytest.raises(UserError, match=r"rows\.txt: no user"):
        infer({1: [5], 2: [6]})
