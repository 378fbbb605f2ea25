"""Users of whom nothing is known."""

from types import SimpleNamespace

import numpy as np

from tools.common.ragged import ragged
from tools.evaluation.evaluate import recommend
from tools.retrieval.retriever import Retriever


def test_who_has_no_history_gets_no_list(settings):
    config = settings(top_n=[2], maxlen=3)
    vectors = np.eye(5, 4, -1, dtype=np.float32)  # row 0 is padding's
    interests = np.ones((2, 1, 4), np.float32)
    batch = SimpleNamespace(seq_len=np.array([0, 2]), seen=ragged([0, 2], np.array([1, 2])))
    for retriever in (Retriever.exact(vectors), Retriever.of_scores(4)):
        ((_, (_, live), (lists,)),) = recommend(
            [batch], lambda batch: (interests, np.ones((2, 1), bool)), retriever, config
        )
        assert not lists.items[0].any()
        assert lists.items[1].all()
        assert live.tolist() == [[False], [True]]
