"""All that a training step computes between look-up and update as one compiled pass, see `models.layers.compiled.Pass`.

With small batches much of a step is the fixed cost of operators, and of handing arrays from one pass to the next.
"""

import numpy as np
import paddle

from models.layers.compiled import Pass
from models.layers.passes import chosen, cut, routing
from models.losses.fused import sampled_loss


def loss(model, hist_item, target_item, seq_len):
    """`GradientModel.loss` of a model whose step is `routed_step`."""
    ids = hist_item, *others = model.draw(hist_item, target_item, seq_len)
    users, length = hist_item.shape
    mask = (np.arange(length) < seq_len.numpy()[:, None]).astype(np.float32)
    shapes, logits = [one.shape for one in ids], model.extractor.first_logits(users, length).numpy()
    constants = (shapes, mask, logits, model.extractor.routing_times, model.objective.constants(*others))
    rows = model.item_table(paddle.concat([one.flatten() for one in ids]))
    return Pass.apply(routed_step, constants, rows, model.extractor.matrices())[0]


def routed_step(rows, matrices, shapes, mask, logits, rounds, loss):
    """The mean loss of a step of routing, hard read-out and sampled softmax, a scalar.

    Args:
        rows: of the item table, `[R, D]`: those of histories, targets and candidates.
        matrices, mask, logits, rounds: as in `routing`.
        shapes: of the ids that `rows` belong to, `[B, T]`, `[B, M]` and `[n]`.
        loss: what `sampled_loss` takes after the rows.
    """
    hist_eb, target_eb, candidate_eb = cut(rows, shapes)
    (interests, _), back_routing = routing(hist_eb, matrices, mask, logits, rounds)
    (user,), back_chosen = chosen(interests, target_eb, np.ones(interests.shape[:2], bool))
    results, back_loss = sampled_loss(user, target_eb, candidate_eb, *loss)

    def back(gradient):
        by_rows = np.empty_like(rows)
        by_hist, by_target, by_candidate = cut(by_rows, shapes)
        by_user, by_target[...], by_candidate[...] = back_loss(gradient)
        (by_interests,) = back_chosen(by_user)
        by_hist[...], by_matrices = back_routing(by_interests)
        return by_rows, by_matrices

    return results, back
