"""Features of items and users from a prepared data set: multi-valued, categorical, numbered for the model's tables."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tools.config import Config
from tools.errors import UserError, did_you_mean
from tools.ragged import Ragged, ragged


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


def item_features(config: Config) -> Features | None:
    """`hyper_parameters.item_features` of all rows of the item table; None where none are named."""
    names = config.hyper_parameters.item_features
    if not names:
        return None
    texts, rows = _read(data_folder(config) / "item_attributes.npz", names, "hyper_parameters.item_features")
    # Row 0 is padding; rows past the data set's items know nothing.
    missing = config.hyper_parameters.item_count - 1 - (len(rows[0].offsets) - 1)
    rows = [ragged(np.concatenate([[0], one.lengths, np.zeros(max(missing, 0), np.int64)]), one.values) for one in rows]
    return Features(texts, _interleave(texts, rows))


def user_features(config: Config, folder=None) -> Features | None:
    """`hyper_parameters.user_features` of all users of a data set; None where none are named.

    Args:
        config: the configuration.
        folder: the data set; None: the one that training reads.

    Raises:
        UserError: where a feature is missing, or its values are not those of the data set that training reads.
    """
    names, own = config.hyper_parameters.user_features, data_folder(config)
    if not names:
        return None
    path = Path(folder or own) / "user_attributes.npz"
    texts, rows = _read(path, names, "hyper_parameters.user_features")
    if path.parent.resolve() != own.resolve():
        for name, one, other in zip(names, texts, user_features(config).texts, strict=True):
            if not np.array_equal(one, other):
                raise UserError(f"{path}: {name} has other values than in {own}; prepare both splits in one data set")
    return Features(texts, _interleave(texts, rows))


def data_folder(config: Config) -> Path:
    """The prepared data set that training reads."""
    return Path(config.runner.train_data_dir).parent


def vocabulary(config: Config) -> dict[str, np.ndarray]:
    """The values of each feature that a model is built with, in the order of their numbers: `item.NAME`, `user.NAME`."""
    hyper, found = config.hyper_parameters, {}
    for kind, names in (("item", hyper.item_features), ("user", hyper.user_features)):
        if names:
            texts, _ = _read(data_folder(config) / f"{kind}_attributes.npz", names, f"hyper_parameters.{kind}_features")
            found |= {f"{kind}.{name}": one for name, one in zip(names, texts, strict=True)}
    return found


def _read(path, names, key):
    """The texts of each feature, and its rows."""
    if not path.is_file():
        raise UserError(f"{key}: {path} does not exist; this data set has no such features: remove the key")
    try:
        with np.load(path) as file:
            known = sorted({key.rpartition(".")[0] for key in file.files})
            for name in names:
                if name not in known:
                    raise UserError(f"{key}: {path} has {', '.join(known)}, not {name!r}{did_you_mean(name, known)}")
            texts = [file[f"{name}.names"] for name in names]
            rows = [Ragged(file[f"{name}.values"], file[f"{name}.offsets"]) for name in names]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: not readable ({error}); prepare the data set again") from None
    return texts, rows


def _interleave(texts, rows):
    """Rows of each feature, and an empty one, as slots: row after row, feature after feature."""
    first = np.cumsum([0, *map(len, texts[:-1])])
    values = np.concatenate([one.values + start for one, start in zip(rows, first, strict=True)])
    slots = np.concatenate([one.rows * len(rows) + number for number, one in enumerate(rows)])
    lengths = np.stack([one.lengths for one in rows], axis=1).ravel()
    lengths = np.concatenate([lengths, np.zeros(len(rows), np.int64)])
    return ragged(lengths, values[np.argsort(slots, kind="stable")])
