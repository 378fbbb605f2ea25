"""What a configuration needs of the machine's memory, at least: refused before anything is made of it."""

import os
from itertools import pairwise
from pathlib import Path

from models import MODELS
from tools.common.errors import UserError
from tools.config.load import Config, constructor_options

LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container
MOMENTS = {"Adam": 2, "Adagrad": 1, "Momentum": 1, "SGD": 0, "RowWiseAdagrad": 0}


def check(config: Config, *, training: bool):
    """Refuse what cannot fit into memory, with the bytes of its largest part and the keys that it depends on.

    These are the arrays that there must be, 4 bytes a number; what a run needs is more. A GPU's memory isn't looked at.

    Args:
        config: the configuration.
        training: whether the model is trained, with the optimizer's moments and batches of its own.
    """
    there, parts = memory(), needs(config, training)
    if there is None or config.runner.use_gpu or sum(size for size, _ in parts) <= there:
        return
    size, what = max(parts)
    raise UserError(
        f"{what} would take {_told(size)} and all that must be held {_told(sum(size for size, _ in parts))}; this "
        f"machine has {_told(there)}; lower a key that is named here"
    )


def memory() -> int | None:
    """Bytes that this process may have; None where the system doesn't tell."""
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    limits = [Path(path).read_text(encoding="ascii").strip() for path in LIMITS if Path(path).is_file()]
    return min([there, *(int(one) for one in limits if one.isdecimal())])  # `max` is none


def needs(config: Config, training) -> list[tuple[int, str]]:
    """Bytes of each large array, at least, and what it is: its keys."""
    runner, hyper = config.runner, config.hyper_parameters
    options = constructor_options(MODELS[hyper.model])
    rows, dim, length = hyper.item_count or 0, hyper.embedding_dim, hyper.maxlen
    gradient = hasattr(MODELS[hyper.model], "loss")
    interests = hyper.interest_num if "interest_num" in options else 1
    states = 1 + training * gradient * MOMENTS[hyper.optimizer.class_]
    depth = min(max(runner.top_n) + length * runner.filter_seen, rows)
    batch = runner.train_batch_size if training and gradient else runner.infer_batch_size
    which = "train_batch_size" if training and gradient else "infer_batch_size"
    parts = [
        (runner.infer_batch_size * interests * depth * 3, "lists of runner.infer_batch_size × interest_num × top_n"),
        (batch * length * 2, f"histories of runner.{which} × maxlen"),
    ]
    if "embedding_dim" in options:
        parts += [
            (rows * dim * states, "the table of hyper_parameters.item_count × embedding_dim"),
            (batch * length * dim * gradient, f"rows of runner.{which} × maxlen × embedding_dim"),
        ]
    if hyper.model == "comirec_dr":
        parts += [
            (length * interests * dim * dim * states, "matrices of maxlen × interest_num × embedding_dim²"),
            (batch * length * interests * dim, f"capsules of runner.{which} × maxlen × interest_num × embedding_dim"),
        ]
    if "tower_sizes" in options and (hyper.user_features or hyper.query or hyper.model == "two_tower"):
        sizes = [dim, *(hyper.tower_sizes if hyper.tower_sizes is not None else [4 * dim]), dim]
        weights = sum(one * other for one, other in pairwise(sizes))
        parts.append((weights * states, "towers of tower_sizes and embedding_dim"))
    parts += _of_one_model(hyper, options, batch, training)
    if training and gradient:
        targets = batch * hyper.targets
        drawn = {"in_batch": targets, "full": rows - 1}.get(hyper.negatives, hyper.neg_samples)
        key = {"in_batch": "train_batch_size × targets", "full": "item_count"}.get(hyper.negatives, "neg_samples")
        parts += [
            (drawn * dim, f"candidates of {key} × embedding_dim"),
            (targets * drawn, f"scores of train_batch_size × targets × {key}"),
        ]
    return [(4 * size, what) for size, what in parts]


def _of_one_model(hyper, options, batch, training):
    """Numbers in the arrays of single models."""
    rows = hyper.item_count or 0
    if "neighbors" in options:
        yield rows * hyper.neighbors * 3, "neighbours of item_count × neighbors"
    if "ease_lambda" in options:  # beside the weights the counts and what their inverse is made with
        yield rows * rows * (1 + 3 * training), "weights of item_count × item_count"
    if "transformer_heads" in options and ("encoder" not in options or hyper.encoder == "transformer"):
        yield batch * hyper.transformer_heads * hyper.maxlen**2, "attention of a batch × transformer_heads × maxlen"
    for kind in ("mix", "sas"):
        if f"{kind}_size" in options:
            size, number = getattr(hyper, f"{kind}_size"), getattr(hyper, f"{kind}_number")
            yield number * (rows + size) * size, f"vectors and matrices of {kind}_number, {kind}_size and item_count"


def _told(size):
    return f"{size / 2**30:,.1f} GiB"
