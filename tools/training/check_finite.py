"""Whether a step's loss and gradient are numbers."""

import math

from tools.training.optimizers import row_values


def fault(loss, model) -> str | None:
    """What is infinite or not a number after the backward pass, with its value; None where nothing is.

    A gradient is looked at by its sum, which is not finite where any of its values is not. Of a table, only the rows
    that the step looked up have one.

    Args:
        loss: a scalar.
        model: a layer.
    """
    if not math.isfinite(value := float(loss)):
        return f"the loss is {value}"
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not math.isfinite(total := _sum(parameter.grad)):
            return f"the gradient of {name} sums to {total}"
    return None


def _sum(gradient) -> float:
    if gradient.is_selected_rows():
        return float(row_values(gradient).sum())
    return float(gradient.sum())
