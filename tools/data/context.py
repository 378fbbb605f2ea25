"""What batches say beside histories: the features of their users and the words of the queries that events answer."""

from pathlib import Path

import numpy as np

from tools.common.errors import UserError
from tools.config.load import FeatureNames
from tools.data.features import query_words, user_features


class Context:
    """The context of users at events of a split, as `models.layers.features.FeatureTable` takes it.

    A user has a slot for each of `hyper_parameters.user_features`, then, with `hyper_parameters.query`, one for the
    words of the event's query.

    Args:
        folder: of the split.
        named: the features.
        events: interactions of the split.

    Raises:
        UserError: where the data set has no such features, or other values than the one that training reads.
    """

    def __init__(self, *, folder, named: FeatureNames, events):
        self.users = user_features(named, Path(folder).parent)
        self.words = query_words(named, folder)
        self.user_slots = self.users.feature_num if self.users else 0
        self.first_word = self.users.token_num if self.users else 0  # words are numbered after the users' values
        if self.words and len(self.words.offsets) - 1 != events:
            raise UserError(
                f"{folder}/query.npz: {len(self.words.offsets) - 1} queries for {events} interactions; prepare again"
            )

    def of(self, user, event) -> tuple:
        """Values `[E]` and the number of values in each slot `[B·F]`; empty for a configuration that names none.

        Args:
            user: `[B]`; one whom the data set doesn't know has no features.
            event: `[B]`, interactions of the split that are to be foretold, by their place in it.
        """
        if not self.users and not self.words:
            return ()
        token, count = self._of_users(user)
        if self.words:
            words = self.words.take(event)
            row = np.concatenate([np.repeat(np.arange(len(user)), count.sum(axis=1)), words.rows])
            # Stable: a row's words stand after its user's values.
            token = np.concatenate([token, words.values + self.first_word])[np.argsort(row, kind="stable")]
            count = np.concatenate([count, words.lengths[:, None]], axis=1)  # [B, F]
        # Paddle's reader processes cannot pass an empty array.
        return (token if len(token) else np.zeros(1, np.int64)), count.ravel()

    def _of_users(self, user):
        if not self.users:
            return np.zeros(0, np.int64), np.zeros((len(user), 0), np.int64)
        known = np.where((user >= 0) & (user < self.users.row_num), user, self.users.row_num)
        token, count = self.users.of(known)
        return token, count.reshape(len(user), self.user_slots)
