"""Items that are like an item: those with the largest cosine of their vectors, each compared."""

import numpy as np

from tools.common.ragged import pieces


class Similar:
    """Neighbours among item vectors.

    Args:
        vectors: `[item_count, D]`, row 0 is padding; they stay where they are.
    """

    def __init__(self, *, vectors):
        self.vectors, self.blocks = vectors, pieces(len(vectors), 1 << 16)
        norms = np.concatenate([np.linalg.norm(vectors[block], axis=1) for block in self.blocks])
        self.scale = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)  # [item_count]

    def nearest(self, item, top_n) -> tuple[list[int], list[float]]:
        """Ids and cosines of the `top_n` items nearest to an item, which is left out; ties go to the lower id."""
        one = np.asarray(self.vectors[item]) * self.scale[item]  # [D]
        cosine = np.concatenate([self.vectors[block] @ one for block in self.blocks]) * self.scale  # [item_count]
        cosine[[0, item]] = -np.inf
        top_n = min(top_n, len(cosine) - 2)
        best = np.argpartition(-cosine, max(top_n - 1, 0))[:top_n]
        best = best[np.lexsort((best, -cosine[best]))]
        return best.tolist(), cosine[best].tolist()
