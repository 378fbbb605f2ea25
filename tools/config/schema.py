"""Every configuration key: its type, default, rule and meaning. Documentation and checks are made from this file."""

import math
from dataclasses import dataclass, field

from tools.config.key import key

MOST_LISTED = 2000  # items of a list that is measured


@dataclass(frozen=True)
class Runner:
    """`runner.*`: where the data is, how a run goes, where results are written."""

    train_data_dir: str = key("data/train", "folder of the training split; relative to the yaml")
    valid_data_dir: str = key("data/valid", "split that chooses the best step; relative to the yaml; '': none")
    test_data_dir: str = key("data/test", "folder of the split that `infer.py` measures; relative to the yaml")
    train_reader_path: str = key("reader", "module with the class `RecDataset`, which yields training batches")
    infer_reader_path: str = key("reader", "module with the class `InferDataset`, which yields evaluation batches")
    graph: str = key("dynamic", "how a step runs: eagerly, or as a program", choices="dynamic static")
    compiled: bool = key(False, "whether numba's compiled passes run in training on a CPU; needs the extra `speed`")
    use_gpu: bool = key(False, "train and compute interests on a GPU; each process has its own")
    seed: int = key(12345, "seed of the initial parameters and of every random draw in training", low=0, high=2**31 - 1)
    num_workers: int = key(0, "reader processes; 0: the training process reads", low=0, high=64)
    train_batch_size: int = key(128, "samples a step, for each process", low=1, high=1_000_000)
    infer_batch_size: int = key(512, "users a batch in evaluation", low=1, high=1_000_000)
    epochs: int = key(10, "maximum number of epochs; each has ceil(eligible positions / batch) steps", low=1)
    print_interval: int = key(100, "steps between two log lines", low=1)
    eval_interval: int = key(0, "steps between two evaluations on valid; 0: after each epoch", low=0)
    early_stop: int = key(0, "training stops after so many evaluations without a better `best_metric`; 0: never", low=0)
    best_metric: str = key("recall@50", "what chooses the best step on valid: `recall@N`, `hitrate@N` or `ndcg@N`")
    top_n: list[int] = key([20, 50], "lengths N of the lists that are measured", low=1, high=MOST_LISTED)
    index: str = key(
        "flat", "index of `infer.py` and exports: `flat`, `ivf`, `hnsw`, `ivf_pq`, `milvus` or a Faiss factory string"
    )
    index_search: str | None = key(
        None, "search parameters in Faiss' form, such as `nprobe=32` or `efSearch=128`; null: the index's default"
    )
    milvus_uri: str | None = key(
        None,
        "a Milvus server, or a path for Milvus Lite; null: `milvus.db` in the folder of checkpoints or export",
    )
    filter_seen: bool = key(False, "whether to leave the items of the history out of the list")
    diversity_lambda: list[float] = key(
        [],
        "what a pair of different category is worth in a list; `infer.py` measures every value, `--recommend` and "
        "exports use the first; empty: only scores count",
        low=0,
        empty=True,
    )
    model_save_path: str = key("output", "folder of the checkpoints; relative to the working folder")
    use_visual: bool = key(False, "PaddleRec's key: `visualdl` among the `loggers`")
    loggers: list[str] = key(
        [],
        "who gets the values of `history.csv` besides; each needs the extra of its name, `visualdl` the extra `visual`",
        choices="visualdl tensorboard mlflow wandb",
        empty=True,
    )
    save_interval: int = key(0, "steps between two checkpoints `step-<n>/` within an epoch; 0: none", low=0)
    keep_checkpoints: int = key(0, "how many of the newest checkpoints are kept, besides `best/`; 0: all", low=0)
    resume: str = key(
        "none",
        "`auto`: continue from the newest complete checkpoint in `model_save_path`, if there is one",
        choices="none auto",
    )
    overwrite: bool = key(False, "replace the run that `model_save_path` holds; not read with `resume: auto`")
    model_init_path: str | None = key(None, "checkpoint that training starts from; relative to the working folder")
    init_by: str = key(
        "id", "whose ids name the rows of `model_init_path`: ours, or yours by both item maps", choices="id original_id"
    )
    infer_load_path: str | None = key(None, "folder of the checkpoints that `infer.py` reads; null: `model_save_path`")
    infer_start_epoch: int | None = key(
        None, "first epoch that `infer.py` evaluates; null: `best/`", low=0, high=1_000_000
    )
    infer_end_epoch: int | None = key(
        None, "epoch before which `infer.py` stops; null: only `infer_start_epoch` is evaluated", low=0, high=1_000_000
    )


@dataclass(frozen=True)
class Optimizer:
    """`hyper_parameters.optimizer.*`."""

    class_: str = key(
        "Adam",
        "all update only the rows that are looked up; RowWiseAdagrad keeps one number a row, Adam two rows",
        choices="Adam SGD Adagrad Momentum RowWiseAdagrad",
    )
    learning_rate: float = key(1e-3, "learning rate at the first step", low=0)
    decay: str = key("none", "how the learning rate falls over the run", choices="none cosine linear exponential")
    decay_rate: float = key(0.0, "share of the learning rate that remains at the last step", low=0, high=1)


@dataclass(frozen=True)
class HyperParameters:
    """`hyper_parameters.*`: the model and how it is trained."""

    optimizer: Optimizer = field(default_factory=Optimizer)
    model: str = key("mind", "name in `models.MODELS`")
    item_count: int | None = key(None, "rows of the item table, with the padding row 0; see `meta.yaml`", low=2)
    embedding_dim: int = key(64, "D, size of item vectors and of interests", low=1, high=65_536)
    hidden_size: int | None = key(
        None, "PaddleRec's key; it must equal `embedding_dim`, since the score is an inner product", training=True
    )
    maxlen: int = key(20, "T, how many of the last items of a history are read", low=1, high=1_000_000)
    interest_num: int = key(4, "K, vectors a user", low=1, high=64)
    dynamic_interest_num: bool = key(
        False, "whether a user has K'_u = max(1, min(K, floor(log2 length))) interests instead of K"
    )
    item_features: list[str] = key(
        [], "names in `item_attributes.npz` whose values are averaged into the item's row", empty=True
    )
    user_features: list[str] = key(
        [], "names in `user_attributes.npz` whose values are joined to each interest", empty=True
    )
    query: bool = key(False, "whether the words of the search query are joined to each interest")
    tower_sizes: list[int] | None = key(
        None, "ReLU layers of the towers; null: one of 4D, in `youtube_dnn` none", low=1, high=1_000_000, empty=True
    )
    encoder: str = key("none", "reads the rows; interests are made of its states", choices="none transformer gru")
    transformer_blocks: int = key(1, "blocks of `encoder: transformer` and of `sasrec`", low=1, high=100)
    transformer_heads: int = key(1, "heads of its attention; they divide `embedding_dim`", low=1, high=1000)
    similarity: str = key("dot", "score of an interest and an item, in training and retrieval", choices="dot cosine")

    # Dynamic routing: mind, shared_capsule, comirec_dr
    routing_times: int = key(3, "rounds of dynamic routing", low=1, high=1000)
    routing_softmax: str = key(
        "interests", "over what couplings sum to 1; in the papers over interests", choices="interests items"
    )
    routing_logits: str = key(
        "resample", "Gaussian logits: drawn in each step, or once", choices="resample fixed", training=True
    )
    routing_logits_std: float = key(1.0, "standard deviation of the Gaussian logits", low=0, training=True)
    squash_power: float = key(
        1.0, "p of squash; 1 in the papers; a lower p shrinks short interests less", low=0, high=1
    )
    near_identity: bool = key(False, "whether the routing's matrices start near the identity", training=True)
    relu_layer: bool = key(False, "whether a linear layer and ReLU follow the routing")

    # Read-out and loss
    pow_p: float = key(
        math.inf,
        "p of the label-aware attention; 0: mean of the interests, `.inf`: only the best interest",
        low=0,
        infinite=True,
        training=True,
    )
    loss: str = key(
        "softmax", "softmax over target and negatives, or gBCE, a binary cross-entropy", choices="softmax gbce",
        training=True,
    )  # fmt: skip
    gbce_calibration: float = key(0.75, "t of gBCE, from 0 to 1", low=0, high=1, training=True)
    temperature: float = key(1.0, "divides the scores in the loss", low=1e-6, training=True)
    negatives: str = key(
        "log_uniform",
        "how negatives are drawn; `log_uniform` by rank of popularity",
        choices="log_uniform unigram uniform in_batch full",
        training=True,
    )
    neg_samples: int = key(1280, "negatives a step, shared by the batch", low=1, high=100_000_000, training=True)
    unigram_alpha: float = key(1.0, "exponent of the counts in `negatives: unigram`", low=0, high=10, training=True)
    log_q: bool = key(True, "whether sampled logits are corrected by the log of the expected count", training=True)
    hard_negative_beta: float | None = key(
        None,
        "how much more high-scoring negatives count; above 0 `log_q` has no effect: take `negatives: uniform`; "
        "null: 1 in `remi`, 0 elsewhere",
        low=0,
        high=100,
        training=True,
    )
    interest_spread_weight: float = key(
        0.0, "weight in the loss of the mean cosine between a user's interests", low=0, training=True
    )
    dropout: float = key(0.0, "share of the history's values set to 0 in a step", low=0, high=0.99, training=True)
    init_std: float | None = key(
        None, "standard deviation of the initial item vectors; null: 1/sqrt(D)", low=0, training=True
    )

    # Training samples
    targets: int = key(1, "m, how many of the next items are targets of a sample", low=1, high=100, training=True)
    min_history: int = key(4, "fewest items before the target of a training sample", low=1, training=True)
    train_sampling: str = key(
        "user",
        "user: draw a user, then a position; position: draw one of all; sequence: each user once an epoch",
        choices="user position sequence",
        training=True,
    )

    # One model each
    interests: str = key("mean", "two_tower: one interest (mean), or those of MIND's routing", choices="mean mind")
    routing_regularization: float = key(12800.0, "remi: weight of the attention's variance", low=0, training=True)
    re4_contrast_weight: float = key(0.1, "re4: weight of re-contrast", low=0, training=True)
    re4_attend_weight: float = key(0.01, "re4: weight of re-attend", low=0, training=True)
    re4_construct_weight: float = key(0.1, "re4: weight of re-construct", low=0, training=True)
    re4_temperature: float = key(0.02, "re4: divides the similarities in re-contrast", low=1e-6, training=True)
    re4_negatives: int = key(
        128, "re4: maximum number of other users' behaviours in re-contrast", low=0, high=1_000_000, training=True
    )
    all_positions: bool = key(True, "sasrec: whether all of a history is learnt, or its end alone", training=True)
    neighbors: int = key(100, "item_knn, rp3beta: neighbours of an item that are kept", low=1, high=1_000_000)
    shrink: float = key(0.0, "item_knn: reduces similarities that few users support", low=0, training=True)
    walk_alpha: float = key(1.0, "rp3beta: exponent of the chances of a step", low=0, high=10, training=True)
    walk_beta: float = key(0.6, "rp3beta: exponent of the count that holds an item back", low=0, high=10, training=True)
    ease_lambda: float = key(500.0, "ease: weight of the squared weights", low=1e-6, training=True)
    als_regularization: float = key(0.01, "wals, maxmf: weight of the squared norms of vectors", low=0)
    als_alpha: float = key(40.0, "wals, maxmf: an interaction weighs 1 + alpha, its absence 1", low=0)
    als_iterations: int = key(15, "wals, maxmf: rounds of alternating least squares", low=1, training=True)
    spectral_rank: int | None = key(
        None,
        "spectral: number of singular values kept; null: as many as K vectors of size D can hold",
        low=1,
        high=65_536,
        training=True,
    )
    spectral_recency: float = key(0.75, "spectral: r; the history's n-th last item counts r^(n-1)", low=0.01, high=1)
    spectral_outlook: float = key(
        1.0, "spectral: o; the n-th item from the event on counts o^(n-1)", low=0.01, high=1, training=True
    )
    spectral_strength: float = key(0.0, "spectral: exponent of an interest's length in its weight", low=0, high=10)
    spectral_backward: float = key(
        0.1, "spectral: weight of the counts against the direction of time", low=0, training=True
    )
    spectral_smoothing: float = key(
        15.0, "spectral: added to the counts of items, so that rare items weigh less", low=1e-3, training=True
    )
    spectral_folds: int = key(
        5, "spectral_net: folds of users; each is trained on the counts of the others", low=2, high=1000, training=True
    )
    spectral_epochs: int = key(
        2, "spectral_net: passes of the network over all events; 0: no network", low=0, training=True
    )
    spectral_hidden: int = key(512, "spectral_net: size of the network's hidden layer", low=1, high=65_536)
    mix_size: int = key(128, "spectral_mix: W, size of the attention's vectors", low=1, high=65_536)
    mix_number: int = key(1, "spectral_mix: how many attention models, each from random vectors", low=1, high=64)
    mix_share: float = key(0.3, "spectral_mix: deviation of all their scores over the factors'", low=0, training=True)
    mix_dropout: float = key(0.6, "spectral_mix: dropout of the attention model", low=0, high=0.99, training=True)
    mix_epochs: int = key(5, "spectral_mix: passes of the attention over all events", low=1, training=True)
    sas_size: int = key(64, "spectral_sas: W, size of the transformer's vectors", low=1, high=65_536)
    sas_number: int = key(1, "spectral_sas: how many transformers, each from random vectors of its own", low=1, high=64)
    sas_share: float = key(0.5, "spectral_sas: deviation of all their scores over the factors'", low=0, training=True)
    sas_dropout: float = key(0.4, "spectral_sas: dropout of the transformer", low=0, high=0.99, training=True)
    sas_epochs: int = key(30, "spectral_sas: passes of the transformer over all users", low=1, training=True)
    mix_student_epochs: int = key(
        2, "spectral_mix: passes of the student, which learns the whole model's scores; 0: none", low=0, training=True
    )
    mix_truth: float = key(
        0.1, "spectral_mix: t, share of the real next items in the student's targets", low=0, high=1, training=True
    )
