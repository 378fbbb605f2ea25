"""Batches of any sequences and settings are cut as defined, and nobody is left out without being counted."""

import logging
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import check_message, without_log

from reader import InferDataset, RecDataset
from tools.common.errors import UserError
from tools.data.dataset import data_files
from tools.preprocess import main
from tools.training.splits import open_split

SEQUENCES = st.dictionaries(
    st.integers(-(2**63), 2**63 - 1), st.lists(st.integers(1, 9), min_size=1, max_size=12), min_size=1, max_size=8
)


@pytest.fixture
def write(tmp_path):
    """Write sequences as rows in another order, times whole or not; gives the file."""

    def call(sequences, scale, rng):
        rows = [f"{u},{item},{k * scale}\n" for u, items in sequences.items() for k, item in enumerate(items)]
        rng.shuffle(rows)
        (tmp_path / "rows.txt").write_text("".join(rows))
        return [str(tmp_path / "rows.txt")], list(dict.fromkeys(int(row.split(",")[0]) for row in rows))

    return call


SCALES = st.sampled_from([1, -1e-3, 0.1, 1e9])


@given(
    SEQUENCES, SCALES, st.randoms(use_true_random=False), st.integers(1, 14), st.integers(1, 6), st.integers(1, 4),
    st.integers(1, 9), st.sampled_from(["user", "position"]), st.integers(0, 5),
)  # fmt: skip
def test_training_batches(
    write, settings, caplog, users, scale, rng, maxlen, min_history, targets, batch, sampling, seed
):
    caplog.set_level(logging.INFO)
    caplog.clear()
    files, order = write(users, scale, rng)
    users = {user: items if scale > 0 else items[::-1] for user, items in users.items()}
    config = settings(
        item_count=10, maxlen=maxlen, min_history=min_history, targets=targets, train_batch_size=batch,
        train_sampling=sampling, seed=seed,
    )  # fmt: skip
    eligible = {user: len(items) - min_history for user, items in users.items() if len(items) > min_history}
    if not eligible:
        with pytest.raises(UserError) as raised:
            RecDataset(files, config)
        check_message(str(raised.value), "rows.txt")
        return
    data = RecDataset(files, config)
    total = sum(eligible.values())
    said = f"{len(eligible)} users, {total} positions; {len(users) - len(eligible)} users with {min_history} items"
    assert said in caplog.text
    assert (data.positions, data.batches) == (total, -(-total // batch))
    assert data.user.tolist() == order
    assert data.item_counts().tolist() == [sum(items.count(n) for items in users.values()) for n in range(10)]
    samples = set()
    for items in users.values():
        for k in range(min_history, len(items)):
            history, target = items[:k][-maxlen:] + [0] * maxlen, items[k:] + [0] * targets
            samples.add((tuple(history[:maxlen]), tuple(target[:targets]), min(k, maxlen)))
    found = list(iter(data))
    assert len(found) == data.batches
    for history, target, length in found:
        rows = zip(map(tuple, history.tolist()), map(tuple, target.tolist()), length.tolist(), strict=True)
        assert len(length) == batch
        assert set(rows) <= samples


@given(SEQUENCES, SCALES, st.randoms(use_true_random=False), st.integers(1, 14), st.integers(1, 9))
def test_evaluation_batches(write, settings, caplog, users, scale, rng, maxlen, batch):
    caplog.set_level(logging.INFO)
    caplog.clear()
    files, order = write(users, scale, rng)
    expected = []
    for user in order:
        items = users[user] if scale > 0 else users[user][::-1]
        cut = int(0.8 * len(items))
        if cut:
            cut_off = items[:cut][-maxlen:]
            expected.append((user, cut_off + [0] * (maxlen - len(cut_off)), len(cut_off), items[:cut], items[cut:]))
    config = settings(item_count=10, maxlen=maxlen, infer_batch_size=batch)
    if not expected:
        with pytest.raises(UserError) as raised:
            InferDataset(files, config)
        check_message(str(raised.value), "rows.txt")
        return
    data = InferDataset(files, config)
    assert f"{len(expected)} users; {len(users) - len(expected)} without history or target left out" in caplog.text
    for _ in range(2):
        found = []
        for one in data:
            rows = [[rows.values[a:b].tolist() for a, b in pairwise(rows.offsets)] for rows in (one.seen, one.target)]
            found += zip(one.user.tolist(), one.hist_item.tolist(), one.seq_len.tolist(), *rows, strict=True)
            assert 0 < len(one.user) <= batch
        assert found == expected


@pytest.mark.parametrize("module", ["", ".", ".reader", "..x", "a/b", "x" * 5000, "tools", "reader.nothing", "\u732b"])
def test_a_reader_that_is_none_is_named(settings, module):
    with pytest.raises(UserError) as raised:
        open_split("train", settings(train_reader_path=module))
    check_message(str(raised.value), "reader ")


@pytest.mark.parametrize("arrays", [True, False], ids=["arrays", "csv"])
@pytest.mark.parametrize("protocol", ["comirec", "mind"])
@pytest.mark.parametrize("users", range(1, 13))
def test_data_sets_of_few_users(tmp_path, settings, capsys, users, protocol, arrays):
    """One user, one item, splits without anyone: a reader, or an error that names the file."""
    source, folder = tmp_path / "log.txt", tmp_path / "data"
    source.write_text("".join(f"u{user} only only only only only only\n" for user in range(users)))
    try:
        main(["sequences", str(source), "--protocol", protocol, "--output", str(folder)])
    except SystemExit:
        assert users == 1
        check_message(without_log(capsys.readouterr().err).strip(), "log.txt")
        return
    printed = dict(re.findall(r"^(train|valid|test): (\d+) users", capsys.readouterr().out, re.MULTILINE))
    assert Counter(map(int, printed.values())).total() == 3
    assert sum(map(int, printed.values())) == users
    for name, count in printed.items():
        if not arrays:
            (folder / name / "users.npy").unlink()
        config = settings(folder, item_count=2)
        if count == "0":
            with pytest.raises(UserError) as raised:
                open_split(name, config)
            check_message(str(raised.value), f"{name}/interactions.csv")
        else:
            data = open_split(name, config)
            rows = data.user if name == "train" else np.concatenate([one.user for one in data])
            assert len(rows) == int(count)
    assert all(data_files(folder / name) for name in printed)
