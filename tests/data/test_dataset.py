import gzip
import random
from itertools import pairwise

import numpy as np
import pytest
import yaml

from tools.common.errors import UserError
from tools.common.ragged import Ragged, first_appearance, ragged
from tools.data import dataset
from tools.data.dataset import data_files, read_evaluation, read_map, read_sequences

ITEM_COUNT = 200


def log(users=30, seed=0):
    rng = random.Random(seed)
    return {f"u{user}": [f"i{rng.randrange(150)}" for _ in range(rng.randrange(1, 25))] for user in range(users)}


def rows_of(items):
    return [items.values[a:b].tolist() for a, b in pairwise(items.offsets)]


def as_dict(sequences):
    return dict(zip(sequences.users.tolist(), rows_of(sequences.items), strict=True))


def plain_read(folder):
    """Users with their items from a CSV whose rows are in order, the plain way."""
    found = {}
    for line in (folder / "interactions.csv").read_text().splitlines():
        user, item, _ = line.split(",")
        found.setdefault(int(user), []).append(int(item))
    return found


@pytest.fixture
def parses(monkeypatch):
    """How often the CSV was parsed."""
    calls, parse = [], dataset.parse_sequences
    monkeypatch.setattr(dataset, "parse_sequences", lambda *args: calls.append(args) or parse(*args))
    return calls


@pytest.fixture
def text_file(tmp_path):
    def write(content, name="part-0.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def sequences_of(folder):
    return read_sequences(data_files(folder), ITEM_COUNT)


def test_arrays_serve_while_the_checksums_match(write_dataset, parses):
    folder = write_dataset(log()) / "train"
    sequences = sequences_of(folder)
    assert not parses
    assert as_dict(sequences) == plain_read(folder)


@pytest.mark.parametrize("name", ["users.npy", "items.npy", "offsets.npy"])
@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-4]),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x7f"),
    ],
    ids=["missing", "empty", "short", "changed"],
)
def test_csv_serves_where_an_array_is_harmed(write_dataset, parses, name, harm):
    folder = write_dataset(log()) / "train"
    expected = plain_read(folder)
    harm(folder / name)
    assert as_dict(sequences_of(folder)) == expected
    assert len(parses) == 1


def test_csv_serves_when_edited(write_dataset, parses):
    folder = write_dataset(log()) / "train"
    with open(folder / "interactions.csv", "a") as file:
        file.write("7777,5,1e9\n")
    assert as_dict(sequences_of(folder)) == plain_read(folder)
    assert sequences_of(folder).users[-1] == 7777
    assert len(parses) == 2


def test_csv_serves_without_meta(write_dataset, parses):
    folder = write_dataset(log()) / "train"
    (folder.parent / "meta.yaml").unlink()
    assert as_dict(sequences_of(folder)) == plain_read(folder)
    assert len(parses) == 1


@pytest.mark.parametrize("entry", ["users", "interactions"])
def test_csv_serves_where_the_count_in_meta_differs(write_dataset, parses, entry):
    folder = write_dataset(log()) / "train"
    meta = yaml.safe_load((folder.parent / "meta.yaml").read_text())
    meta["splits"]["train"][entry] += 1
    (folder.parent / "meta.yaml").write_text(yaml.safe_dump(meta))
    assert as_dict(sequences_of(folder)) == plain_read(folder)
    assert len(parses) == 1


def test_both_ways_give_the_same_types(write_dataset):
    folder = write_dataset(log()) / "train"
    arrays = sequences_of(folder)
    (folder / "users.npy").unlink()
    parsed = sequences_of(folder)
    for one, other in ((arrays.users, parsed.users), (arrays.items.values, parsed.items.values)):
        assert one.dtype == other.dtype
        assert one.tolist() == other.tolist()
    assert arrays.items.offsets.tolist() == parsed.items.offsets.tolist()


@pytest.mark.parametrize("content", ["a: [", "[1]", "text", "splits: 3", "splits: {train: 3}", "splits: {train: {}}"])
def test_spoilt_meta_is_named_or_ignored(write_dataset, content):
    folder = write_dataset(log()) / "train"
    expected = plain_read(folder)
    (folder.parent / "meta.yaml").write_text(content)
    try:
        assert as_dict(sequences_of(folder)) == expected
    except UserError as error:
        assert "meta.yaml" in str(error)  # noqa: PT017


def test_unknown_protocol_in_meta_is_named(write_dataset):
    folder = write_dataset(log()) / "test"
    meta = yaml.safe_load((folder.parent / "meta.yaml").read_text())
    (folder.parent / "meta.yaml").write_text(yaml.safe_dump(meta | {"protocol": "comirek"}))
    with pytest.raises(UserError, match="comirek"):
        read_evaluation(data_files(folder), ITEM_COUNT)


@pytest.mark.parametrize("pack, name", [(bytes, "part-0"), (gzip.compress, "part-0.gz")])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_paddlerec_train_rows(text_file, pack, name, end, bom):
    rows = ["9,3,20", "-4,1,5", "9,2,10.5", " 9, 7 ,10.5", "", "-4,6,-1e1", "9,1,+10"]
    path = text_file(pack((bom + end.join(rows)).encode()), name)
    assert as_dict(read_sequences([path], 10)) == {9: [1, 2, 7, 3], -4: [6, 1]}


def test_users_of_several_files_are_one(text_file):
    paths = [text_file("1,1,3\n2,5,1\n", "a"), text_file("2,4,0\n1,2,2\n3,9,1\n", "b")]
    assert as_dict(read_sequences(paths, 10)) == {1: [2, 1], 2: [4, 5], 3: [9]}


def test_paddlerec_evaluation_rows(text_file):
    content = (
        "user_id:7 target_item:0 hist_item:3 hist_item:1 eval_item:9 eval_item:2\n"
        "user_id:2 target_item:0 hist_item:5 eval_item:5\r\n"
        "user_id:8 target_item:0 eval_item:5\n"
        "user_id:6 target_item:0 hist_item:5"
    )
    evaluation, short = read_evaluation([text_file("\ufeff" + content)], 10)
    assert evaluation.users.tolist() == [7, 2]
    assert (rows_of(evaluation.history), rows_of(evaluation.target)) == ([[3, 1], [5]], [[9, 2], [5]])
    assert short == 2


def test_evaluation_cuts_at_four_fifths(text_file):
    content = "".join(f"{user},{1 + n},{n}\n" for user in range(1, 40) for n in range(user))
    evaluation, short = read_evaluation([text_file(content)], 100)
    assert short == 1  # a single item leaves no history
    for user, history, target in zip(*evaluation[:1], *map(rows_of, evaluation[1:]), strict=True):
        cut = int(0.8 * user)
        assert (history, target) == (list(range(1, cut + 1)), list(range(cut + 1, user + 1)))


def test_mind_evaluation_targets_the_last_row(write_dataset):
    folder = write_dataset(log(100), "--protocol", "mind")
    evaluation, short = read_evaluation(data_files(folder / "test"), ITEM_COUNT)
    rows = plain_read(folder / "test")
    assert short == sum(len(row) < 2 for row in rows.values())
    found = dict(zip(evaluation.users, zip(*map(rows_of, evaluation[1:]), strict=True), strict=True))
    assert found == {user: (row[:-1], row[-1:]) for user, row in rows.items() if len(row) > 1}


@pytest.mark.parametrize(
    "content, line",
    [
        ("1,2,3\n1,2\n", 2),
        ("1,2,3\n\n\n1,x,3\n", 4),
        ("1,2,3\n1,2,3,4\n", 2),
        ("uid,item_id,timestamp\n1,2,3\n", 1),
        ("1,2,3\n1,2,\n", 2),
        ("1,2,3\n1,2,nan\n", 2),
        ("1,2,3\n1,2,inf\n", 2),
        ("1,2,3\n1,2,1e999\n", 2),
        ("1,2,3\n1.5,2,3\n", 2),
        ("1,2,3\n1,99999999999999999999,3\n", 2),
        (b"1,2,3\n1,\xff,3\n", 2),
        ("1,2,3\n1,0,3\n", 2),
        ("1,2,3\n1,-5,3\n", 2),
        ("1,2,3\n1,10,3\n", 2),
        ("1,2,3\n\n1,10,3\n", 3),
        ("user_id:1 hist_item:1 eval_item:2\nuser_id:2 hist:3 eval_item:2\n", 2),
        ("user_id:1 hist_item:1 eval_item:2\nuser_id:2 hist_item:x eval_item:2\n", 2),
        ("user_id:1 hist_item:1 eval_item:2\nuser_id:2 hist_item:0 eval_item:2\n", 2),
        ("user_id:1 hist_item:1 eval_item:2\nuser_id:2 hist_item:1 eval_item:10\n", 2),
        ("user_id:1 hist_item:1 eval_item:2\n\nuser_id:2 hist_item:1 eval_item:10\n", 3),
        ("user_id:1 hist_item:1 eval_item:2\nhist_item:1 eval_item:3\n", 2),
        ("user_id:1 hist_item:1 eval_item:2\nuser_id:99999999999999999999 hist_item:1 eval_item:2\n", 2),
    ],
)
def test_errors_name_file_and_line(text_file, content, line):
    path = text_file(content)
    with pytest.raises(UserError) as raised:
        read_evaluation([path], 10)
    assert str(raised.value).startswith(f"{path}:{line}: ")


def test_a_line_of_blanks_is_no_row(text_file):
    assert as_dict(read_sequences([text_file("1,2,3\n  \n1,4,5\n \t")], 10)) == {1: [2, 4]}


def test_an_item_out_of_range_in_the_arrays_names_the_csv(write_dataset):
    folder = write_dataset({f"u{user}": ["a", "b", "c"] for user in range(10)}) / "train"
    with pytest.raises(UserError, match=r"interactions\.csv:3: item 3 .* item_count"):
        read_sequences(data_files(folder), 3)


@pytest.mark.parametrize("content", ["", "\n", "\ufeff", " \r\n"])
@pytest.mark.parametrize("first", [None, "1,2,3\n", "user_id:1 hist_item:1 eval_item:2\n"])
def test_an_empty_file_is_named(text_file, content, first):
    paths = [] if first is None else [text_file(first, "a")]
    with pytest.raises(UserError, match=r"empty-one.*empty"):
        read_evaluation([*paths, text_file(content, "empty-one")], 10)


@pytest.mark.parametrize("name, command", [("movielens-100k", "movielens-100k"), ("other", "--help")])
def test_a_missing_folder_names_the_command(tmp_path, name, command):
    with pytest.raises(UserError, match=f"python -m tools.preprocess {command}") as raised:
        data_files(tmp_path / name / "train")
    assert str(tmp_path / name / "train") in str(raised.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="absent"):
        read_sequences([str(tmp_path / "absent")], 10)


def test_maps_give_back_any_name(tmp_path):
    names = ["a,b", 'say "hi"', " 007", "", "猫", "two\nlines"]
    dataset.write_map(tmp_path / "map.csv", ("item", "original"), enumerate(names, 1))
    assert read_map(tmp_path / "map.csv") == dict(enumerate(names, 1))


@pytest.fixture(params=range(4))
def lists(request):
    """Random rows, some empty; without any value at last."""
    rng = random.Random(request.param)
    most = (5, 9, 2, 0)[request.param]
    return [[rng.randrange(1, 12) for _ in range(rng.randint(0, most))] for _ in range(15)]


@pytest.fixture
def rows(lists):
    return ragged([len(row) for row in lists], np.array([value for row in lists for value in row], np.int32))


def test_ragged_lengths_and_rows(rows, lists):
    assert rows_of(rows) == lists
    assert rows.lengths.tolist() == [len(row) for row in lists]
    assert rows.rows.tolist() == [n for n, row in enumerate(lists) for _ in row]


def test_ragged_take(rows, lists):
    for chosen in ([3, 0, 0, 14], list(range(15)), [7]):
        assert rows_of(rows.take(np.array(chosen))) == [lists[n] for n in chosen]
    assert rows_of(rows.take(np.array([], np.int64))) == []


def test_ragged_spans(rows, lists):
    half = rows.lengths // 2
    assert rows_of(rows.spans(rows.offsets[:-1] + half, rows.lengths - half)) == [row[len(row) // 2 :] for row in lists]


def test_ragged_distinct(rows, lists):
    got = rows.distinct()
    assert [got.take([row]).values.tolist() for row in range(len(lists))] == [sorted(set(row)) for row in lists]


def test_ragged_contains(rows, lists):
    ids = np.random.default_rng(0).integers(0, 15, (15, 8))
    assert rows.contains(ids).tolist() == [[one in row for one in some] for row, some in zip(lists, ids, strict=True)]


def test_first_appearance():
    codes, distinct = first_appearance(np.array(["b", "a", "b", "c", "a"]))
    assert (codes.tolist(), distinct.tolist()) == ([0, 1, 0, 2, 1], ["b", "a", "c"])


def test_ragged_is_two_arrays():
    values, offsets = Ragged(np.array([1, 2]), np.array([0, 0, 2]))
    assert (values.tolist(), offsets.tolist()) == ([1, 2], [0, 0, 2])
