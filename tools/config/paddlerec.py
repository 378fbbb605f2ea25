"""PaddleRec's own configurations in our keys: renamed, or named as not needed, each with a line in the log."""

import difflib
import logging
import re

from tools.common.errors import UserError

RENAMED = {
    "hyper_parameters.capsual.iters": "hyper_parameters.routing_times",
    "hyper_parameters.capsual.max_k": "hyper_parameters.interest_num",
    "hyper_parameters.capsual.init_std": "hyper_parameters.routing_logits_std",
}
NOT_NEEDED = {
    "runner.use_auc": "retrieval has no AUC",
    "runner.use_fleet": "several processes are started with paddle.distributed.launch",
    "runner.sync_mode": "there is no parameter server",
    "runner.thread_num": "there is no parameter server",
    "runner.split_file_list": "each process takes its part of the batches",
    "runner.reader_type": "there is one reader",
    "runner.pipe_command": "there is one reader",
    "runner.dataset_debug": "there is one reader",
    "runner.batches_per_epoch": "an epoch is ceil(eligible positions / batch) steps",
    "runner.use_inference": "tools.export writes what Paddle Inference runs",
    "runner.save_inference_feed_varnames": "tools.export writes what Paddle Inference runs",
    "runner.save_inference_fetch_varnames": "tools.export writes what Paddle Inference runs",
    "hyper_parameters.optimizer.strategy": "there is no parameter server",
}
ONLY_FALSE = ("runner.use_xpu", "runner.use_npu")  # another device cannot be passed over
READER_KEYS = ("runner.train_reader_path", "runner.infer_reader_path")
READERS = re.compile(r"(mind|comirec)(_(dr|sa))?(_infer|_static)?_reader|evaluate_reader")
# The last part of a key as others call it.
ALSO_CALLED = {
    "lr": "learning_rate", "batch_size": "train_batch_size", "embedding_size": "embedding_dim",
    "emb_dim": "embedding_dim", "item_num": "item_count", "n_items": "item_count", "max_len": "maxlen",
    "seq_len": "maxlen", "num_interest": "interest_num", "neg_num": "neg_samples", "num_negatives": "neg_samples",
    "num_epochs": "epochs", "n_epoch": "epochs", "embed_dim": "embedding_dim", "max_seq_length": "maxlen",
    "max_seq_len": "maxlen", "max_item_list_length": "maxlen", "n_interest": "interest_num", "k": "interest_num",
    "n_negs": "neg_samples", "train_neg_sample_args": "neg_samples", "topk": "top_n", "topn": "top_n",
    "stopping_step": "early_stop", "earlystop_patience": "early_stop", "valid_metric": "best_metric",
    "eval_batch_size": "infer_batch_size", "learner": "class", "checkpoint_dir": "model_save_path",
    "data_path": "train_data_dir",
}  # fmt: skip


def translate(given: dict[str, tuple]) -> dict[str, tuple]:
    """Keys with values and where each stands, PaddleRec's own made ours.

    Raises:
        UserError: where a key stands under both names.
    """
    ours: dict[str, tuple] = {}
    for key, (value, where) in given.items():
        if key in NOT_NEEDED or (key in ONLY_FALSE and value is False):
            logging.info("%s: %s: PaddleRec's, not needed here: %s", where, key, NOT_NEEDED.get(key, "it is off"))
            continue
        name = RENAMED.get(key, key)
        if name != key:
            if name in given:
                raise UserError(f"{where}: {key}: PaddleRec's name of {name}, which {given[name][1]} gives; keep one")
            logging.info("%s: %s: PaddleRec's name of %s", where, key, name)
        if key in READER_KEYS and isinstance(value, str) and READERS.fullmatch(value):
            logging.info("%s: %s: PaddleRec's %s; its files are read by ours, reader", where, key, value)
            value = "reader"
        ours[name] = value, where
    return ours


def nearest_key(key, schema) -> str:
    """`; did you mean X?` for a key of another section or under another name, else the nearest, or the empty string."""
    last = key.rpartition(".")[2].lower()
    last = ALSO_CALLED.get(last, last)
    same = [one for one in schema if one.rpartition(".")[2] == last]
    if same:
        return f"; did you mean {same[0]}?"
    lasts = {one.rpartition(".")[2]: one for one in schema}
    near = difflib.get_close_matches(last, lasts, n=1, cutoff=0.6)
    return f"; did you mean {lasts[near[0]]}?" if near else ""
