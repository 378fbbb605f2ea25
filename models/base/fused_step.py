"""All that a training step computes between look-up and update as one compiled pass, see `models.layers.compiled.Pass`.

With small batches much of a step is the fixed cost of operators, and of handing arrays from one pass to the next.
"""

from functools import partial

import numpy as np
import paddle

from models.layers.compiled import Pass
from models.layers.passes import chosen, cut, layers
from models.losses.fused import sampled_loss


def loss(model, hist_item, target_item, seq_len):
    """`GradientModel.loss` of a model whose step is `whole_step`."""
    ids = hist_item, *others = model.draw(hist_item, target_item, seq_len)
    users, length = hist_item.shape
    mask = (np.arange(length) < seq_len.numpy()[:, None]).astype(np.float32)
    extract, weights, constants = model.extractor.compiled_pass(users, length)
    penalty, numbers = model.compiled_penalty()
    tower = [] if model.user_tower is None else model.user_tower.parameters()
    step = partial(
        whole_step,
        shapes=[one.shape for one in ids],
        extract=lambda rows, *weights: extract(rows, *weights, mask, *constants),
        tower=len(tower),
        loss=model.objective.constants(*others),
        penalty=lambda coupling: penalty(coupling, *numbers),
    )
    rows = model.item_table(paddle.concat([one.flatten() for one in ids]))
    return Pass.apply(step, (), rows, *weights, *tower)[0]


def whole_step(rows, *weights, shapes, extract, tower, loss, penalty):
    """The mean loss of a step, from the rows that it looked up, with hard read-out and sampled candidates: a scalar.

    Args:
        rows: of the item table, `[R, D]`: those of histories, targets and candidates.
        weights: of the extractor and of the user tower.
        shapes: of the ids that `rows` belong to, `[B, T]`, `[B, M]` and `[n]`.
        extract: the extractor's pass, told its mask and constants.
        tower: how many of the weights are the tower's.
        loss: what `sampled_loss` takes after the rows.
        penalty: a pass of the coupling to what is added to the loss.
    """
    hist_eb, target_eb, candidate_eb = cut(rows, shapes)
    own = len(weights) - tower
    (interests, coupling), back_extract = extract(hist_eb, *weights[:own])
    (interests,), back_tower = layers(interests, *weights[own:])
    (user,), back_chosen = chosen(interests, target_eb, np.ones(interests.shape[:2], bool))
    (value,), back_loss = sampled_loss(user, target_eb, candidate_eb, *loss)
    (added,), back_penalty = penalty(coupling)

    def back(gradient):
        by_rows = np.empty_like(rows)
        by_hist, by_target, by_candidate = cut(by_rows, shapes)
        by_user, by_target[...], by_candidate[...] = back_loss(gradient)
        (by_interests,) = back_chosen(by_user)
        by_interests, *by_tower = back_tower(by_interests)
        by_hist[...], *by_weights = back_extract(by_interests, *back_penalty(gradient))
        return by_rows, *by_weights, *by_tower

    return (np.asarray(value + added),), back
