"""WALS: weighted matrix factorisation of implicit feedback (Hu, Koren and Volinsky, ICDM 2008)."""

from dataclasses import dataclass

import paddle

from models.base.fit_libraries import libraries, user_items
from models.base.keywords import flat_options, option
from models.base.options import Sizes
from models.base.recommender import Recommender, frozen_table
from models.layers.functional import length_mask


@dataclass(frozen=True, kw_only=True)
class LeastSquares:
    """The cost and the rounds that lower it."""

    als_regularization: float = option("weight of the squared norms of vectors", default=0.01)
    als_alpha: float = option("an interaction weighs 1 + alpha, its absence 1", default=40.0)
    als_iterations: int = option("rounds of alternating least squares", default=15)


@flat_options
class WALS(Recommender):
    """One vector a user, fitted by alternating least squares with the package implicit.

        cost    = Σ_ui c_ui (p_ui - x_u · y_i)² + reg (Σ_u |x_u|² + Σ_i |y_i|²)         eq. 3
        p_ui    = 1 where u took i, else 0;  c_ui = 1 + alpha p_ui
        x_u     = (YᵀY + alpha Σ_i y_i y_iᵀ + reg I)^-1 (1 + alpha) Σ_i y_i             eq. 4, i over u's items
        f(u, i) = x_u · y_i

    The package takes turns of eq. 4 and its mirror image for items (`sweep`). Vectors of training users are not kept:
    everybody, whether in training or not, gets that of the history by eq. 4 with item vectors Y fixed (`user_step`).
    An item that stands several times counts as often. alpha is `als_alpha`, reg `als_regularization`.
    """

    has_onnx = False  # paddle2onnx ends the process on a system of equations

    def __init__(self, sizes: Sizes, squares: LeastSquares):
        super().__init__(item_count=sizes.item_count, maxlen=sizes.maxlen)
        self.regularization, self.alpha = squares.als_regularization, squares.als_alpha
        self.iterations = squares.als_iterations
        self.item_table = frozen_table(sizes.item_count, sizes.embedding_dim)
        self.register_buffer("inverse", paddle.eye(sizes.embedding_dim))  # (YᵀY + reg I)^-1

    def fit(self, items):
        """Factorise; the first vectors are drawn from Paddle's generator.

        Args:
            items: the training users' items.

        Raises:
            ImportError: without the extra `baselines`.
            ArithmeticError: where `als_regularization` is too small for a solution.
        """
        self.sweep(libraries("wals"), items.values, items.offsets, self.iterations)

    def sweep(self, modules, values, offsets, iterations, item_vectors=None):
        """Rounds of alternating least squares.

        Args:
            modules: what `libraries` gives.
            values, offsets: the users' items, one user after the other, `[E]` and `[U + 1]`.
            iterations: rounds.
            item_vectors: `[item_count, D]` to start from; None: drawn.
        """
        als, sparse, threads = modules
        # The library's confidence of what is there is the value itself, not 1 + alpha times it.
        taken = user_items(sparse, values, offsets, self.item_count, 1.0 + self.alpha)
        with threads.threadpool_limits(1, "blas"):  # the library has threads of its own
            model = als.AlternatingLeastSquares(
                factors=self.item_table.weight.shape[1],
                regularization=self.regularization,
                iterations=iterations,
                use_cg=False,  # exact, as the user step here is
                use_gpu=False,
                random_state=paddle.randint(0, 2**31 - 1, [1]).item(),
            )
            model.item_factors = item_vectors
            try:
                model.fit(taken, show_progress=False)
            except ValueError:
                raise ArithmeticError(
                    f"als_regularization {self.regularization} leaves a system of equations without solution; raise it"
                ) from None
        self.set_items(paddle.to_tensor(model.item_factors))

    def set_items(self, vectors):
        """Take item vectors `[item_count, D]`; row 0, padding's, must be zero."""
        self.item_table.weight.set_value(vectors)
        exact = vectors.astype("float64")
        gram = exact.T @ exact + self.regularization * paddle.eye(vectors.shape[1], dtype="float64")
        self.inverse.set_value(paddle.linalg.inv(gram).astype("float32"))

    def user_step(self, hist_eb, coupling):
        """The closed form above for each interest, from the items that are coupled to it.

        With E the rows and G = YᵀY + reg I it is, by the push-through identity, `(1 + alpha) G⁻¹Eᵀ w` where
        `(I + alpha E G⁻¹ Eᵀ) w = 1`: a system of size T, well-conditioned since no entry of `E G⁻¹ Eᵀ`
        is above 1, and one for all interests.

        Args:
            hist_eb: `[B, T, D]`.
            coupling: `[B, K, T]` of 0 and 1; an item belongs to at most one interest.

        Returns:
            `[B, K, D]`; an interest without items is zero.
        """
        smooth = paddle.matmul(hist_eb, self.inverse)  # [B, T, D]
        together = paddle.matmul(coupling, coupling, transpose_x=True)  # [B, T, T], 1 for items of one interest
        system = paddle.eye(hist_eb.shape[1]) + self.alpha * together * paddle.matmul(smooth, hist_eb, transpose_y=True)
        weight = paddle.linalg.solve(system, paddle.ones_like(hist_eb[:, :, :1]))  # [B, T, 1]
        return (1.0 + self.alpha) * paddle.matmul(coupling * weight.transpose([0, 2, 1]), smooth)

    def route_rows(self, hist_eb, seq_len, context_eb=None):
        """Interests `[B, 1, D]` of rows `[B, T, D]`, and the mask over the length, `[B, 1, T]`."""
        mask = length_mask(seq_len, hist_eb.shape[1]).unsqueeze(1)  # [B, 1, T]
        return self.user_step(hist_eb, mask), mask / paddle.clip(mask.sum(axis=2, keepdim=True), min=1.0)
