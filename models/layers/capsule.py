"""Dynamic routing from behaviour capsules to interest capsules: MIND's, ComiRec-DR's and the one between them."""

import paddle
from paddle import nn

from models.layers.compiled import usable
from models.layers.extractor import Extractor
from models.layers.functional import live_mask, squash
from models.layers.passes import position_routing, routing


class SharedTransform:
    """`û_ij = S e_i`, one S for all (MIND eq. 8); û is never in memory."""

    def __init__(self, item_eb, weight):
        self.item_eb, self.weight = item_eb, weight  # [B, T, D], [D, D]

    def detach(self):
        return type(self)(self.item_eb.detach(), self.weight.detach())

    def pool(self, coupling):
        """`z_j = S (sum_i c_ij e_i)`: `[B, K, T]` to `[B, K, D]`."""
        return paddle.matmul(paddle.matmul(coupling, self.item_eb), self.weight)

    def agree(self, interests):
        """`v_j · S e_i = (Sᵀ v_j) · e_i`: `[B, K, D]` to `[B, K, T]`."""
        query = paddle.matmul(interests, self.weight, transpose_y=True)  # [B, K, D]
        return paddle.matmul(query, self.item_eb, transpose_y=True)


class InterestTransform(SharedTransform):
    """`û_ij = S_j e_i`, one S per interest; û is never in memory."""

    def pool(self, coupling):
        """`z_j = S_j (sum_i c_ij e_i)`: `[B, K, T]` to `[B, K, D]`."""
        pooled = paddle.matmul(coupling, self.item_eb).transpose([1, 0, 2])  # [K, B, D]
        return paddle.matmul(pooled, self.weight).transpose([1, 0, 2])

    def agree(self, interests):
        """`v_j · S_j e_i = (S_jᵀ v_j) · e_i`: `[B, K, D]` to `[B, K, T]`."""
        query = paddle.matmul(interests.transpose([1, 0, 2]), self.weight, transpose_y=True)  # [K, B, D]
        return paddle.matmul(query.transpose([1, 0, 2]), self.item_eb, transpose_y=True)


class PositionTransform:
    """`û_ij = W_ij e_i`, one W per position and interest (ComiRec Algorithm 1)."""

    def __init__(self, behaviour):
        self.behaviour = behaviour  # û, [B, K, T, D]

    def detach(self):
        return type(self)(self.behaviour.detach())

    def pool(self, coupling):
        """`z_j = sum_i c_ij û_ij`: `[B, K, T]` to `[B, K, D]`."""
        return paddle.matmul(coupling.unsqueeze(2), self.behaviour).squeeze(2)

    def agree(self, interests):
        """`v_j · û_ij`: `[B, K, D]` to `[B, K, T]`."""
        return paddle.matmul(self.behaviour, interests.unsqueeze(3)).squeeze(3)


class CapsuleNetwork(Extractor):
    """Interests of a history by dynamic routing, with the coupling a constant in the backward pass.

    For `routing_times` rounds: `c = softmax(b)`, masked positions 0; `z_j = sum_i c_ij û_ij`; `v_j = squash(z_j)`;
    `b_ij += v_j · û_ij`. MIND section 3.3 (`bilinear_type` 0) and ComiRec Algorithm 1 (2); 1 has one matrix per
    interest. Gradient reaches û only through the last round's `z`.

    Args:
        hidden_size: D, of behaviours and interests.
        seq_len: T, the longest history.
        bilinear_type: 0 `S e_i` with Gaussian initial logits, 1 `S_j e_i`, 2 `W_ij e_i`, both with zero logits.
        interest_num: K.
        routing_times: rounds, at least 1.
        hard_readout: accepted for compatibility, not used: the read-out belongs to the model.
        relu_layer: a linear layer and ReLU after the routing (MIND on books).
        routing_softmax: `interests`, as in both papers, or `items`, over positions before masking, as in public code.
        routing_logits: type 0 while training: `resample` draws `[B, K, T]` each step, `fixed` uses the buffer that
            inference always uses.
        routing_logits_std: standard deviation of the Gaussian logits.
        squash_power: see `squash`.
        dynamic_interest_num: K'_u by the length of the history; a dead interest is zero.
        near_identity: whether the matrices start as the identity and half of their random first values, so that
            interests start among the items that they are made of.
    """

    def __init__(
        self,
        hidden_size,
        seq_len,
        bilinear_type=2,
        interest_num=4,
        routing_times=3,
        hard_readout=True,
        relu_layer=False,
        *,
        routing_softmax="interests",
        routing_logits="resample",
        routing_logits_std=1.0,
        squash_power=1.0,
        dynamic_interest_num=False,
        near_identity=False,
    ):
        super().__init__()
        self.hidden_size, self.seq_len, self.interest_num = hidden_size, seq_len, interest_num
        self.routing_times, self.routing_logits_std = routing_times, routing_logits_std
        self.squash_power, self.dynamic_interest_num = squash_power, dynamic_interest_num
        self.softmax_axis = {"interests": 1, "items": 2}[routing_softmax]
        self.resample = {"resample": True, "fixed": False}[routing_logits]
        self.transform = {0: self._shared, 1: self._per_interest, 2: self._per_position}[bilinear_type]
        self.bilinear_type = bilinear_type
        self._create_weights(near_identity)
        self.compiles = routing_softmax == "interests" and squash_power == 1 and not dynamic_interest_num
        self.gaussian = bilinear_type == 0
        if self.gaussian:
            self.register_buffer("initial_logits", paddle.randn([interest_num, seq_len]) * routing_logits_std)
        if relu_layer:
            self.relu = nn.Sequential(nn.Linear(hidden_size, hidden_size, bias_attr=False), nn.ReLU())
        self.relu_layer = relu_layer

    def route(self, item_eb, mask, initial_logits=None):
        """Interests and the coupling that made them.

        Args:
            item_eb: embedded history, `[B, T, D]`, T at most `seq_len`.
            mask: `[B, T]`, 1 for a real position, 0 for padding.
            initial_logits: `[B, K, T]`; None: by `bilinear_type`.

        Returns:
            `(interests, coupling)`, `[B, K, D]` and `[B, K, T]`: the last coupling, masked.
        """
        if self.compiles and self.training and usable(item_eb) and initial_logits is None:
            interests, coupling = self.route_compiled(item_eb, mask)
            return self.relu(interests) if self.relu_layer else interests, coupling
        batch, length = paddle.shape(item_eb)[0], item_eb.shape[1]
        logits = self.first_logits(batch, length) if initial_logits is None else initial_logits  # [B, K, T]
        capsules = self.transform(item_eb)
        live = live_mask(mask.sum(axis=1), self.interest_num, self.dynamic_interest_num)  # [B, K]
        mask = mask.unsqueeze(1).expand([-1, self.interest_num, -1])  # by hand: a product's own spreading is slow
        frozen = capsules.detach()
        for _ in range(self.routing_times - 1):
            coupling = self._couple(logits, mask, live)
            logits = logits + frozen.agree(squash(frozen.pool(coupling), self.squash_power))
        coupling = self._couple(logits, mask, live).detach()  # [B, K, T]
        interests = squash(capsules.pool(coupling), self.squash_power)  # [B, K, D]
        if self.relu_layer:
            interests = self.relu(interests)
        return interests, coupling

    @property
    def fuses(self) -> bool:
        """As `Extractor`."""
        return super().fuses and not self.relu_layer

    def compiled_pass(self, batch, length):
        """As `Extractor`."""
        constants = (self.first_logits(batch, length).numpy(), self.routing_times)
        if self.bilinear_type == 2:
            return position_routing, [self.w], constants
        return routing, [self.linear.weight], constants

    def _create_weights(self, near_identity):
        if self.bilinear_type == 2:
            self.w = weight = self._position_weights()
            tiles = [self.interest_num, 1]
        else:
            matrices = self.interest_num if self.bilinear_type == 1 else 1
            self.linear = nn.Linear(self.hidden_size, self.hidden_size * matrices, bias_attr=False)
            weight, tiles = self.linear.weight, [1, matrices]
        if near_identity:
            weight.set_value(0.5 * weight + paddle.eye(self.hidden_size).tile(tiles))

    def _position_weights(self):
        """`[1, T, K·D, D]`, at first equal over positions: from T unrelated maps, routing finds no clusters."""
        rows, size = self.interest_num * self.hidden_size, self.hidden_size
        first = paddle.randn([1, 1, rows, size]) * size**-0.5
        return self.create_parameter(
            [1, self.seq_len, rows, size],
            default_initializer=nn.initializer.Assign(first.expand([1, self.seq_len, rows, size])),
        )

    def _matrices(self):
        """S as `[1, D, D]`, or `[K, D, D]` of one for each interest; not for `bilinear_type` 2."""
        size = self.hidden_size  # column k·D + d is of interest k
        return self.linear.weight.reshape([size, -1, size]).transpose([1, 0, 2])

    def first_logits(self, batch, length):
        """The logits of the first round, `[B, K, T]`."""
        if self.gaussian and self.training and self.resample:
            return paddle.normal(0.0, self.routing_logits_std, [batch, self.interest_num, length])
        if self.gaussian:
            return self.initial_logits[:, :length].unsqueeze(0).expand([batch, -1, -1])
        return paddle.zeros([batch, self.interest_num, length])

    def _couple(self, logits, mask, live):
        """Softmax of the routing logits, 0 at padding and at dead interests; mask and result `[B, K, T]`."""
        alive = live.unsqueeze(2)  # [B, K, 1]
        if self.dynamic_interest_num:
            logits = paddle.where(alive, logits, paddle.full_like(logits, -1e30))
        weight = nn.functional.softmax(logits, axis=self.softmax_axis) * mask
        return weight * alive.astype(weight.dtype) if self.dynamic_interest_num else weight

    def _shared(self, item_eb):
        return SharedTransform(item_eb, self.linear.weight)

    def _per_interest(self, item_eb):
        return InterestTransform(item_eb, self._matrices())

    def _per_position(self, item_eb):
        length = item_eb.shape[1]
        behaviour = paddle.matmul(item_eb.transpose([1, 0, 2]), self.w[0, :length], transpose_y=True)  # [T, B, K·D]
        behaviour = behaviour.reshape([length, -1, self.interest_num, self.hidden_size])
        return PositionTransform(behaviour.transpose([1, 2, 0, 3]))  # [B, K, T, D]
