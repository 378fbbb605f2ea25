"""Features of items and users from a prepared data set: multi-valued, categorical, numbered for the model's tables."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tools.common.errors import UserError, did_you_mean
from tools.common.files import load_arrays
from tools.common.ragged import Ragged, ragged
from tools.config.load import FeatureNames

QUERIES = "query.npz"  # in the folder of each split: the words of each interaction's query


class Features(NamedTuple):
    """Some features of all items or users; the values of all features are numbered together."""

    texts: list[np.ndarray]  # the values of each feature, in the order of their numbers
    tokens: Ragged  # row r·F + f: numbers of the values of feature f of item or user r

    @property
    def feature_num(self) -> int:
        """F."""
        return len(self.texts)

    @property
    def token_num(self) -> int:
        """Values of all features together."""
        return sum(map(len, self.texts))

    @property
    def row_num(self) -> int:
        """Items or users; one more row without any value follows them."""
        return (len(self.tokens.offsets) - 1) // self.feature_num - 1

    def of(self, rows) -> tuple[np.ndarray, np.ndarray]:
        """Values `[E]` of some items or users, and how many stand in each of their slots `[R·F]`."""
        slots = (np.asarray(rows)[:, None] * self.feature_num + np.arange(self.feature_num)).ravel()
        some = self.tokens.take(slots)
        return some.values.astype(np.int64), some.lengths


def item_features(named: FeatureNames) -> Features | None:
    """`hyper_parameters.item_features` of all rows of the item table; None where none are named."""
    if not named.item:
        return None
    texts, rows = _read(named.folder / "item_attributes.npz", named.item, "hyper_parameters.item_features")
    # Row 0 is padding; rows past the data set's items know nothing.
    missing = named.item_count - len(rows[0].offsets)
    rows = [ragged(np.concatenate([[0], one.lengths, np.zeros(max(missing, 0), np.int64)]), one.values) for one in rows]
    return Features(texts, _interleave(texts, rows))


def user_features(named: FeatureNames, folder=None) -> Features | None:
    """`hyper_parameters.user_features` of all users of a data set; None where none are named.

    Args:
        named: the features.
        folder: the data set; None: the one that training reads.

    Raises:
        UserError: where a feature is missing, or its values are not those of the data set that training reads.
    """
    if not named.user:
        return None
    path = Path(folder or named.folder) / "user_attributes.npz"
    texts, rows = _read(path, named.user, "hyper_parameters.user_features")
    _check_same(path, named.folder / path.name, named.user, texts, "hyper_parameters.user_features")
    return Features(texts, _interleave(texts, rows))


def query_words(named: FeatureNames, folder=None) -> Ragged | None:
    """Numbers of the words of each event's query in a split; None where `hyper_parameters.query` is not set.

    Args:
        named: the features.
        folder: of the split; None: the one that training reads.

    Raises:
        UserError: where there are no queries, or their words are numbered otherwise than those that training reads.
    """
    if not named.query:
        return None
    path = Path(folder or named.train) / QUERIES
    texts, (words,) = _read(path, ["query"], "hyper_parameters.query")
    _check_same(path, named.train / QUERIES, ["query"], texts, "hyper_parameters.query")
    return words


def context_features(named: FeatureNames) -> Features | None:
    """The values of all that is joined to interests: users' features, then queries; None where nothing is.

    Its rows are empty: batches bring them, see `tools.data.context`.
    """
    texts = [values for name, values in vocabulary(named).items() if not name.startswith("item.")]
    return Features(texts, ragged([0] * len(texts), np.zeros(0, np.int64))) if texts else None


def feature_files(named: FeatureNames) -> list[Path]:
    """The files that training reads features from; those that are missing are named when they are read."""
    files = [(named.item, named.folder / "item_attributes.npz"), (named.user, named.folder / "user_attributes.npz")]
    files.append(([QUERIES] if named.query else [], named.train / QUERIES))
    return [path for names, path in files if names and path.is_file()]


def _check_same(path, own, names, texts, key):
    """Values are numbers to the model, so each must have the number that it has in training."""
    if path.resolve() == own.resolve():
        return
    for name, one, other in zip(names, texts, _read(own, names, key)[0], strict=True):
        if not np.array_equal(one, other):
            raise UserError(f"{path}: {name} has other values than in {own}; prepare both splits in one data set")


def vocabulary(named: FeatureNames) -> dict[str, np.ndarray]:
    """The values of each feature that a model is built with, in the order of their numbers.

    Keys are `item.NAME`, `user.NAME` and, for the words of queries, `event.query`.
    """
    found: dict[str, np.ndarray] = {}
    for kind, names in (("item", named.item), ("user", named.user)):
        if names:
            texts, _ = _read(named.folder / f"{kind}_attributes.npz", names, f"hyper_parameters.{kind}_features")
            found |= {f"{kind}.{name}": one for name, one in zip(names, texts, strict=True)}
    if named.query:
        texts, _ = _read(named.train / QUERIES, ["query"], "hyper_parameters.query")
        found["event.query"] = texts[0]
    return found


def _read(path, names, key):
    """The texts of each feature, and its rows."""
    if not path.is_file():
        raise UserError(f"{key}: {path} does not exist; this data set has no such features: remove the key")
    arrays = load_arrays(path, "prepare the data set again")
    known = sorted({one.rpartition(".")[0] for one in arrays})
    for name in names:
        if name not in known:
            raise UserError(f"{key}: {path} has {', '.join(known)}, not {name!r}{did_you_mean(name, known)}")
    features = [attribute(arrays, name, path) for name in names]
    return [texts for texts, _ in features], [rows for _, rows in features]


def attribute(arrays, name, path) -> tuple[np.ndarray, Ragged]:
    """The texts of an attribute, in the order of their numbers, and the numbers of each row, from a file's arrays.

    Raises:
        UserError: where they don't fit together.
    """
    texts, values, offsets = (arrays.get(f"{name}.{part}") for part in ("names", "values", "offsets"))
    if not _fit(texts, values, offsets):
        raise UserError(f"{path}: {name}: its names, values and offsets don't fit together; prepare the data again")
    return texts, Ragged(values, offsets)


def _fit(names, values, offsets):
    """Whether three arrays of a file are the texts, numbers of texts and offsets of a feature."""
    if any(one is None or one.ndim != 1 for one in (names, values, offsets)):
        return False
    if not len(offsets) or offsets.dtype.kind != "i":
        return False
    if len(values) and (names.dtype.kind, values.dtype.kind) != ("U", "i"):
        return False
    rising = offsets[0] == 0 and offsets[-1] == len(values) and (np.diff(offsets) >= 0).all()
    return rising and values.min(initial=0) >= 0 and values.max(initial=-1) < len(names)


def write_attributes(path, names, features: Features, rows):
    """Write some rows of features in the form of `tools.preprocess`, all their values among them.

    Args:
        path: the .npz file.
        names: of the features.
        features: their values and rows.
        rows: numbers of the rows to write; for user features none, the values alone.
    """
    first = np.cumsum([0, *map(len, features.texts)])
    arrays: dict[str, np.ndarray] = {}
    for number, (name, texts) in enumerate(zip(names, features.texts, strict=True)):
        some = features.tokens.take(np.asarray(rows, np.int64) * features.feature_num + number)
        values = (some.values - first[number]).astype(np.int32)
        arrays |= {f"{name}.names": texts, f"{name}.values": values, f"{name}.offsets": some.offsets}
    np.savez(path, **arrays)  # type: ignore[arg-type]


def _interleave(texts, rows):
    """Rows of each feature, and an empty one, as slots: row after row, feature after feature."""
    first = np.cumsum([0, *map(len, texts[:-1])])
    values = np.concatenate([one.values + start for one, start in zip(rows, first, strict=True)])
    slots = np.concatenate([one.rows * len(rows) + number for number, one in enumerate(rows)])
    lengths = np.stack([one.lengths for one in rows], axis=1).ravel()
    lengths = np.concatenate([lengths, np.zeros(len(rows), np.int64)])
    return ragged(lengths, values[np.argsort(slots, kind="stable")])
