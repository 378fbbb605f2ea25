"""Gradients of all ranks made one, so that each takes the step that one process with all their samples would take.

Dense gradients are summed in one buffer. Of a table with sparse gradients the rows that were looked up are sent, so the
bytes of a step don't grow with the catalogue; `negatives: full` has a dense gradient of the whole table.
"""

import numpy as np
import paddle
from paddle import nn
from paddle.nn.clip import get_tensor_from_selected_rows, merge_selected_rows

from tools.common.ranks import all_gather, all_reduce, count, rank


def average(model, loss, target_item, seq_len) -> float:
    """Make all ranks' gradients, and the loss, those of one process that trains all their samples.

    That is the mean over targets: ranks count by how many they have. What a model adds to the loss as a mean over users
    counts the same way, which with several targets a sample is nearly, not exactly, the mean over all users.

    Args:
        model: after the backward pass.
        loss: its own, a scalar.
        target_item, seq_len: its own, `[B]` or `[B, M]`, 0 for none, and `[B]`.
    """
    if count() == 1:
        return float(loss)
    sparse, dense = _parameters(model)
    weight = model.target_num(paddle.to_tensor(target_item), paddle.to_tensor(seq_len))
    rows = [_looked_up(parameter) for parameter in sparse]
    own = [weight, float(loss), *(len(ids) for ids, _ in rows), *(one.grad is not None for one in dense)]
    sums, notes = _sum_dense(dense, weight, own)  # notes: [ranks, len(own)]
    weights, losses, lengths, present = np.split(notes, [1, 2, 2 + len(sparse)], axis=1)
    everything = float(weights.sum())
    for parameter, gradient, where in zip(dense, sums, present.T, strict=True):
        parameter.grad = gradient / everything if where.any() else None
    for parameter, (ids, values), length in zip(sparse, rows, lengths.T.astype(int).tolist(), strict=True):
        _gather_rows(parameter, ids, values * (weight / everything), length)
    return float((weights * losses).sum() / everything)


def _parameters(model):
    """Those whose gradients are rows, and the others. By the layers: a step without any row leaves no gradient."""
    tables = [layer for layer in model.sublayers() if isinstance(layer, nn.Embedding) and layer._sparse]
    rows = {id(layer.weight) for layer in tables}
    trained = [one for one in model.parameters() if not one.stop_gradient]
    return [one for one in trained if id(one) in rows], [one for one in trained if id(one) not in rows]


def _looked_up(parameter):
    """Ids `[R]`, each once, and gradients `[R, D]` of the rows that this rank looked up."""
    if parameter.grad is None:
        return paddle.zeros([0], "int64"), paddle.zeros([0, parameter.shape[1]], parameter.dtype)
    merged = merge_selected_rows(parameter.grad)
    return paddle.to_tensor(merged.rows(), "int64"), get_tensor_from_selected_rows(merged)


def _sum_dense(parameters, weight, own):
    """Weighted sums of gradients over the ranks, and the numbers of each, in one exchange.

    Numbers are exact up to 2^24, the float32 of the gradients that they travel with.
    """
    zero = [paddle.zeros_like(one) if one.grad is None else one.grad * weight for one in parameters]
    notes = np.zeros((count(), len(own)), np.float32)
    notes[rank()] = own
    flat = paddle.concat([*(one.flatten() for one in zero), paddle.to_tensor(notes.ravel())])
    all_reduce(flat)
    *sums, notes = paddle.split(flat, [*(one.size for one in zero), notes.size])
    sums = [one.reshape(parameter.shape) for one, parameter in zip(sums, parameters, strict=True)]
    return sums, notes.numpy().reshape(count(), -1).astype(np.float64)


def _gather_rows(parameter, ids, values, lengths):
    """Make a parameter's sparse gradient the rows of all ranks, in their order; `lengths`: how many each has."""
    parameter.clear_gradient(set_to_zero=False)
    if not max(lengths):
        return
    missing = max(lengths) - len(ids)  # what is gathered must be equally long everywhere
    parts = [(ids, paddle.zeros([missing], ids.dtype)), (values, paddle.zeros([missing, values.shape[1]]))]
    all_ids, all_values = (_gather(paddle.concat(part), lengths) for part in parts)
    # Public Paddle builds a sparse gradient in one place: the look-up's backward pass.
    nn.functional.embedding(all_ids, parameter, sparse=True).backward(all_values)


def _gather(tensor, lengths):
    """The ranks' tensors behind one another, the first `lengths[r]` rows of rank r."""
    found: list = []
    all_gather(found, tensor)
    return paddle.concat([one[:length] for one, length in zip(found, lengths, strict=True)])
