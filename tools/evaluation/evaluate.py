"""Embed, retrieve, measure: what the trainer does on valid and infer.py on test."""

import csv
from collections.abc import Callable, Iterator

import numpy as np

from tools.common import ranks
from tools.common.interests import interest_number
from tools.config.load import Config
from tools.evaluation.metrics import Metrics
from tools.retrieval.aggregate import PLAIN, Diversity, Recommendations
from tools.retrieval.retriever import Retriever
from tools.retrieval.selection import Selection


def recommend(
    batches, embed: Callable, retriever: Retriever, config: Config, diversity: Diversity = PLAIN,
    selection: Selection | None = None,
) -> Iterator[tuple]:  # fmt: skip
    """Lists for every user, batch by batch, so that memory does not grow with the users.

    Args:
        batches: `reader.InferBatch`es.
        embed: batch -> interests `[U, K, D]` and live mask `[U, K]`, arrays.
        retriever: the item side.
        config: read are `runner.top_n, filter_seen` and `hyper_parameters.maxlen`.
        diversity: the lambdas; one search serves them all.
        selection: the items that the lists may hold; None: all.

    Yields:
        `(batch, (interests, live), [Recommendations of each lambda])` with lists of the largest N.
    """
    top_n, maxlen = max(config.runner.top_n), config.hyper_parameters.maxlen
    for batch in batches:
        seen = batch.seen if config.runner.filter_seen else None
        interests, live = embed(batch)
        live = live & (batch.seq_len > 0)[:, None]  # whom nothing is known of is found nothing for
        lists = retriever.recommend_each(
            interests, live, top_n, diversity, seen=seen, maxlen=maxlen, selection=selection
        )
        yield batch, (interests, live), lists


def evaluate(batches, embed: Callable, retriever: Retriever, config: Config, metrics: Metrics) -> dict[str, float]:
    """Means of the quick metrics over all users, on plain lists; those of all processes that train together.

    Args:
        batches, embed, retriever, config: see `recommend`.
        metrics: empty.
    """
    for batch, embedded, (lists,) in recommend(batches, embed, retriever, config):
        metrics.update(lists.items, batch.target)
        metrics.update_interests(*embedded)
    metrics.combine(ranks.total)
    return metrics.result()


class RecommendationTable:
    """Writes `user,rank,item,score,interest` rows in the user's own ids.

    Args:
        file: an open text file.
        user_names, item_names: our id -> the user's own; an id that is missing is written as it is.
    """

    def __init__(self, file, user_names, item_names):
        self.user_names, self.item_names = user_names, item_names
        self.table = csv.writer(file, lineterminator="\n")
        self.table.writerow(("user", "rank", "item", "score", "interest"))

    def write(self, users, lists: Recommendations):
        """Append the lists of a batch."""
        row, rank = np.nonzero(lists.items)
        user, item = users[row].tolist(), lists.items[row, rank].tolist()
        self.table.writerows(
            zip(
                map(self.user_names.get, user, user),
                (rank + 1).tolist(),
                map(self.item_names.get, item, item),
                map("{:.6g}".format, lists.scores[row, rank].tolist()),
                interest_number(lists.interest[row, rank]).tolist(),
                strict=True,
            )
        )
