"""Parameters of PaddleRec's MIND (models/recall/mind/net.py) under our names."""

import logging

import numpy as np

# Structured names, as its dynamic graph saves them, and those of its static graph.
NAMES = {
    "item_emb.weight": "item_table.weight",
    "item_emb": "item_table.weight",
    "capsual_layer.bilinear_mapping_matrix": "extractor.linear.weight",
    "bilinear_mapping_matrix": "extractor.linear.weight",
    "capsual_layer.routing_logits": "extractor.initial_logits",
    "routing_logits": "extractor.initial_logits",
}


def is_theirs(state) -> bool:
    """Whether parameters are PaddleRec's, and not ours."""
    return "item_table.weight" not in state and bool(NAMES.keys() & state.keys())


def translate(state, path) -> dict[str, np.ndarray]:
    """Its parameters, `item_count x D`, `D x D` and `1 x K x T`, as ours; what it has beside them is not used.

    Its couplings sum to 1 over the history, which `routing_softmax: items` comes near to; its updates of the logits are
    scaled to length 1 at most, ours as in the paper are not. So interests are like its own, and not the same.
    """
    ours = {NAMES[name]: np.array(value) for name, value in state.items() if name in NAMES}
    if "item_table.weight" in ours:
        ours["item_table.weight"][:1] = 0  # padding: its static graph doesn't keep it at zero
    logits = ours.get("extractor.initial_logits")
    if logits is not None and logits.ndim == 3:
        ours["extractor.initial_logits"] = logits[0]
    others = ", ".join(sorted(state.keys() - NAMES.keys())) or "nothing"
    logging.info(
        "%s: PaddleRec's parameters are loaded as %s; not used: %s; hyper_parameters.routing_softmax: items is nearest "
        "to how they were trained",
        path, ", ".join(ours), others,
    )  # fmt: skip
    return ours
