"""SASRec: self-attentive sequential recommendation (Kang and McAuley, ICDM 2018)."""

import paddle

from models.base.gradient_model import GradientModel
from models.base.keywords import flat_options
from models.base.options import Common, Loss, Transformer
from models.layers.features import create_item_table
from models.layers.functional import length_mask
from models.layers.read_out import LabelAwareAttention
from models.layers.transformer import create_transformer
from models.losses.objective import create_objective


@flat_options
class SASRec(GradientModel):
    """One vector a user: the last state of a transformer that learns the next item after every behaviour, in one pass.

        x_1 … x_T   = CausalTransformer(e_1 … e_T)                          states
        loss        = mean over t of objective(x_t, e_(t+1), negatives)     eq. 7, with another loss
        f(u, i)     = x_T · e_i

    Negatives are shared by all states of a step. With `loss: softmax` and `negatives: uniform` it is the SASRec of
    Klenitskiy and Vasilev (RecSys 2023), with `loss: gbce` that of Petrov and Macdonald (RecSys 2023). For an epoch to
    be each user once, up to the last item, take `train_sampling: sequence`.

    Args:
        all_positions: whether the next item is learnt after every behaviour, or, as in the other models, after the
            history alone.
    """

    def __init__(self, common: Common, transformer: Transformer, loss: Loss, *, all_positions=True):
        extractor = create_transformer(common, transformer)
        super().__init__(
            common,
            item_table=create_item_table(common, loss),
            extractor=extractor,
            read_out=LabelAwareAttention(),  # of one interest: that one
            objective=create_objective(item_num=common.item_count - 1, **vars(loss)),
        )
        self.all_positions = all_positions
        self.dropout = paddle.nn.Identity()  # the transformer has its own

    def targets_of(self, hist_item, target_item, seq_len):
        """What a step trains: the next item of every behaviour but the last, then all targets, `[P, 1]`."""
        if not self.all_positions:
            return target_item
        later = paddle.nonzero(length_mask(seq_len, hist_item.shape[1])[:, 1:].flatten()).flatten()
        return paddle.concat([paddle.gather(hist_item[:, 1:].flatten(), later), target_item.flatten()]).unsqueeze(1)

    def users_from_rows(
        self, hist_eb, target_eb, candidate_eb, hist_item, target_item, candidate_item, seq_len, context_eb=None
    ):
        """As `GradientModel`, with the state before each target, `[P, 1, D]`."""
        if not self.all_positions:
            step = (hist_eb, target_eb, candidate_eb, hist_item, target_item, candidate_item, seq_len, context_eb)
            return super().users_from_rows(*step)
        states, layout, _ = self.extractor.read(hist_eb, length_mask(seq_len, hist_eb.shape[1]))
        inner = paddle.nonzero(layout.step + 1 < paddle.gather(seq_len, layout.user)).flatten()  # of N
        rest = paddle.arange(paddle.shape(target_item)[0] - paddle.shape(inner)[0], dtype="int64")  # B·M targets
        row = rest // (paddle.shape(rest)[0] // paddle.shape(seq_len)[0]).astype("int64")
        last = paddle.gather(layout.last(), row)
        known = paddle.concat([paddle.ones_like(inner), (paddle.gather(seq_len, row) > 0).astype("int64")])
        place = paddle.concat([inner, last])  # [P] of N
        states = paddle.nn.functional.pad(states, [0, 1, 0, 0])  # there is one, even if all histories are empty
        user = paddle.gather(states, place) * known.astype(states.dtype).unsqueeze(1)  # [P, D]
        user = user.unsqueeze(1)  # [P, 1, D]
        if self.user_tower is not None:
            of = paddle.concat([paddle.gather(layout.user, inner), row])
            user = self.user_tower(user, None if context_eb is None else paddle.gather(context_eb, of))
        return self.scale(user), self.item_side(target_eb), self.item_side(candidate_eb), paddle.zeros([])

    def target_num(self, target_item, seq_len):
        """How many targets a batch trains."""
        inner = paddle.clip(seq_len - 1, min=0).sum() if self.all_positions else 0
        return super().target_num(target_item, seq_len) + int(inner)
