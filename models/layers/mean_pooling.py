"""One interest by averaging the history."""

import paddle

from models.layers.compiled import usable
from models.layers.extractor import Extractor
from models.layers.passes import mean


class MeanPooling(Extractor):
    """`v = (1/|I_u|) sum_i e_i` over the real behaviours; zero for an empty history (YouTube DNN section 3.2)."""

    compiles = True

    def route(self, item_eb, mask):
        """The interest `[B, 1, D]` and each behaviour's share in it `[B, 1, T]`, 0 at padding."""
        if self.training and usable(item_eb):
            return self.route_compiled(item_eb, mask)
        length = paddle.clip(mask.sum(axis=1, keepdim=True), min=1.0)  # [B, 1]
        coupling = (mask / length).unsqueeze(1)  # [B, 1, T]
        return paddle.matmul(coupling, item_eb), coupling

    def compiled_pass(self, batch, length):
        """As `Extractor`."""
        return mean, [], ()
