"""The interests of one history, as a table that shows itself."""

import numpy as np

from tools.common.interests import interest_number
from tools.common.tables import Table
from tools.serving.model import Served
from tools.serving.requests import check_length

MOST = 5  # behaviours of an interest that a table names


class Interests(Table):
    """What a model makes of one history: interests, what makes each, and what each finds alone.

    `vectors` `[K, D]`, `live` `[K]` and `coupling` `[K, T]` are the model's; `items` are the history's T items that it
    saw, oldest first, and `found` are those of each interest, best first, in the user's own ids.

    Args:
        served: the model.
        history: items, oldest first.
        profile: of the user, for a model with user features.
        top_n: items an interest.
    """

    def __init__(self, served: Served, history, profile, top_n):
        asked, self.vectors, self.live, self.coupling = served.route(history, profile)
        predictor, seen, top_n = served.predictor, asked.items.values, check_length(top_n)
        depth = top_n + len(seen) * predictor.filter_seen
        found, _ = predictor.retriever.search(self.vectors[None], self.live[None], depth)
        left_out = np.append(seen, 0) if predictor.filter_seen else np.zeros(1, int)
        kept = [one[~np.isin(one, left_out)][:top_n] for one in found[0]]
        self.items = served.catalogue.spell(seen, whole=asked.whole).to_list()
        self.found = [served.catalogue.spell(one, whole=asked.whole).to_list() for one in kept]
        names = served.catalogue.names if served.titles is None else served.titles
        self._behaviours, self._finds = names.gather(seen).to_list(), [names.gather(one).to_list() for one in kept]

    def cells(self):
        """A row a live interest, its number from 1."""
        rows = []
        for row in np.flatnonzero(self.live):
            share = self.coupling[row]
            strongest = [place for place in np.argsort(-share, kind="stable")[:MOST] if share[place] > 0]
            made_of = "; ".join(f"{self._behaviours[place]} {share[place]:.0%}" for place in strongest)
            rows.append([str(interest_number(row)), made_of, "; ".join(self._finds[row])])
        return ["interest", "made of, coupling", "finds"], rows
