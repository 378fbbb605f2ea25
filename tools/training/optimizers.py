"""Optimizers that update a table's looked-up rows alone: in one compiled pass with numba on a CPU, else in Paddle's."""

import ctypes
import math

import numpy as np
import paddle
from paddle.nn.clip import get_tensor_from_selected_rows, merge_selected_rows

from models.layers.compiled import array, usable


def compiled(parameter, gradient) -> bool:
    """Whether a gradient is rows that the compiled updates can take."""
    return gradient.is_selected_rows() and usable(parameter)


def row_ids(gradient):
    """Ids `[R]` of a sparse gradient, which may repeat."""
    return np.asarray(gradient.get_selected_rows().rows(), np.int64)


def row_values(gradient):
    """Gradients `[R, D]` of the rows of a sparse gradient; on a CPU a view that lives as long."""
    tensor = gradient.get_selected_rows().get_tensor()
    shape = tensor.shape()
    if not gradient.place.is_cpu_place():
        return np.asarray(tensor)
    memory = (ctypes.c_float * math.prod(shape)).from_address(tensor._ptr())
    return np.frombuffer(memory, np.float32).reshape(shape)


class LazyAdam(paddle.optimizer.Adam):
    """Adam (Kingma and Ba 2015) that leaves rows without a gradient alone, their moments too.

    `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g²`, `w -= rate m' / (sqrt(v') + epsilon)`, with m' and v' the moments
    over `1 - b^(t + 1)`, where the paper has t: of rows, Paddle's own lazy Adam does so. State and results are its.
    """

    def __init__(self, **options):
        super().__init__(lazy_mode=True, **options)

    def _append_optimize_op(self, block, param_and_grad):
        parameter, gradient = param_and_grad
        if not usable(parameter) or not parameter.is_contiguous():  # else what is updated were a copy
            return super()._append_optimize_op(block, param_and_grad)
        from tools.training import row_kernels

        moments = [self._get_accumulator_master(name, parameter) for name in ("moment1", "moment2")]
        powers = [self._get_accumulator_master(name, parameter) for name in ("beta1_pow_acc", "beta2_pow_acc")]
        power1, power2 = (np.from_dlpack(one) for one in powers)  # [1], the betas to the power of the step
        beta1, beta2 = np.float32(self._beta1), np.float32(self._beta2)
        next1, next2 = power1 * beta1, power2 * beta2
        rows = gradient.is_selected_rows()
        now1, now2 = (next1, next2) if rows else (power1, power2)
        correction = np.sqrt(1 - now2[0])
        rate, epsilon = np.float32(self.get_lr() * correction / (1 - now1[0])), np.float32(self._epsilon * correction)
        numbers = (rate, epsilon, beta1, 1 - beta1, beta2, 1 - beta2)
        arrays = [np.from_dlpack(one.detach()) for one in (parameter, *moments)]
        if rows:
            row_kernels.adam_rows(*arrays, row_values(gradient), row_kernels.group(row_ids(gradient)), numbers)
        else:
            row_kernels.adam(*(one.reshape(-1) for one in (*arrays, array(gradient))), numbers)
        power1[:], power2[:] = next1, next2
        return None


class RowWiseAdagrad(paddle.optimizer.Optimizer):
    """Adagrad (Duchi et al. 2011) with one accumulator a row, which holds the mean of the squares of its values.

    `a += mean(g²)`, `w -= rate g / (sqrt(a) + epsilon)`. A table takes `1 + 1/D` times its own
    memory, with Adam's two moments 3 times. In other parameters a row is the last axis; in a vector each value has its
    own accumulator.
    """

    def __init__(self, *, learning_rate, parameters, epsilon=1e-6):
        super().__init__(learning_rate=learning_rate, parameters=parameters)
        self.type, self._epsilon = "row_wise_adagrad", epsilon

    def _create_accumulators(self, block, parameters):
        for one in parameters:
            shape = [*one.shape[:-1], 1] if len(one.shape) > 1 else one.shape
            if one.name not in self._already_create_accumulator:
                self._add_accumulator("moment", one, shape=shape)
                self._already_create_accumulator.add(one.name)

    @paddle.no_grad()
    def _append_optimize_op(self, block, param_and_grad):
        parameter, gradient = param_and_grad
        moment = self._get_accumulator("moment", parameter)
        if compiled(parameter, gradient):
            from tools.training import row_kernels

            table, moment = (np.from_dlpack(one.detach()) for one in (parameter, moment))
            numbers = (np.float32(one) for one in (self.get_lr(), self._epsilon))
            groups = row_kernels.group(row_ids(gradient))
            return row_kernels.adagrad(table, moment, row_values(gradient), groups, *numbers)
        if not gradient.is_selected_rows():
            return self._step(parameter, moment, gradient)
        merged = merge_selected_rows(gradient)
        ids, values = paddle.to_tensor(merged.rows(), "int64"), get_tensor_from_selected_rows(merged)
        own, its_moment = paddle.gather(parameter, ids), paddle.gather(moment, ids)
        self._step(own, its_moment, values)
        paddle.scatter_(parameter, ids, own)
        return paddle.scatter_(moment, ids, its_moment)

    def _step(self, parameter, moment, gradient):
        square = gradient * gradient
        moment.add_(square.mean(axis=-1, keepdim=True) if len(parameter.shape) > 1 else square)
        parameter.subtract_(self.get_lr() * gradient / (moment.sqrt() + self._epsilon))


OPTIMIZERS = {  # Paddle's three are lazy by nature
    "Adam": LazyAdam,
    "SGD": paddle.optimizer.SGD,
    "Adagrad": paddle.optimizer.Adagrad,
    "Momentum": paddle.optimizer.Momentum,
    "RowWiseAdagrad": RowWiseAdagrad,
}
