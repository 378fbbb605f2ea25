"""The training loop of models that bring their own `fit`."""

import paddle


def descend(losses, *, steps, rate, parameters):
    """Adam, a step for each loss, its rate falling from `rate` to 0 along half a cosine.

    Args:
        losses: scalars, each made when the step before it has been taken.
        steps: how many there will be.
        rate: learning rate of the first step.
        parameters: as `paddle.optimizer.Adam` takes them, groups with rates relative to `rate` too.
    """
    falling = paddle.optimizer.lr.CosineAnnealingDecay(rate, T_max=max(steps, 1))
    optimizer = paddle.optimizer.Adam(falling, parameters=parameters, lazy_mode=True)  # lazy: tables with sparse rows
    for loss in losses:
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        falling.step()
