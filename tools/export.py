"""Export a trained model for serving.

Example: python -m tools.export -m config.yaml
Example: python -m tools.export -m config.yaml -o runner.index=hnsw --output export --onnx

The folder has all that `python -m tools.predict FOLDER` needs:
user_tower.json and .pdiparams (histories to interests), item_vectors.npy, index.faiss, config.yaml, trained.yaml (what
the model was trained with, also after items were added), and, where the data set has them, item_map.csv, user_map.csv,
item_category.npy, category_map.csv and item_title.json. identity.json says which data set it is of; SHA256SUMS shows
damage, and `sha256sum -c` reads it too.
With --onnx also user_tower.onnx, from
hist_item [B, T] and seq_len [B], int64, to interests [B, K, D], float32, live mask [B, K], bool, and coupling
[B, K, T], float32, in that order: which behaviour feeds which interest.
A model with user features has a third input, context_eb [B, P], float32: the mean vectors of a user's values, feature
after feature. user_attributes.npz has the values, train/query.npz the words of queries, user_features.npy their rows.
A model with item features also writes what `python -m tools.add_items` needs: rec.pdparams and item_attributes.npz.
"""

import argparse
from pathlib import Path

from models import MODELS
from tools.common import progress
from tools.common.errors import command
from tools.config.arguments import add_arguments
from tools.serving.exporter import export
from tools.serving.user_tower import onnx_converter
from tools.training import runtime
from tools.training.settings import load_settings


@command
def main(argv=None):
    """Export the best checkpoint, or that of `runner.infer_start_epoch`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: <model_save_path>/export")
    parser.add_argument("--onnx", action="store_true", help="write user_tower.onnx too; needs the extra onnx")
    args = parser.parse_args(argv)
    settings = load_settings(args.config_yaml, args.opt, MODELS)
    output = args.output or Path(settings.runner.model_save_path) / "export"
    to_onnx = onnx_converter() if args.onnx else None
    runtime.prepare(use_gpu=False, seed=settings.runner.seed)
    with progress.logging_to_terminal():
        source = export(settings, output, to_onnx)
    print(f"{source} exported to {output}; serve it with: python -m tools.predict {output}")


if __name__ == "__main__":
    main()
