"""From a log to recommendations in Python: for notebooks and services.

Example: data = prepare(frame, user="uid", item="sku", time="ts")
Example: model = fit(data, "comirec_dr", epochs=5, embedding_dim=32, seed=1, output="output/first")

It calls what the commands call. Frames may be of pandas or Polars, and what is answered is of the kind that came in.
What is given no folder goes to a temporary one, which vanishes with the last object that needs it.
"""

import functools
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import reader  # noqa: F401  found now, wherever one goes later
from infer import measure
from models import MODELS
from tools.common import archive, progress
from tools.common.errors import UserError, did_you_mean
from tools.common.passing import PassingFolder
from tools.data.prepared import SPLITS, Data
from tools.evaluation.table import Evaluation
from tools.logs.prepare import prepare
from tools.serving.exporter import export
from tools.serving.frames import id_texts
from tools.serving.interests import Interests
from tools.serving.model import Served
from tools.serving.predictor import Predictor
from tools.serving.requests import check_length
from tools.serving.user_tower import onnx_converter
from tools.training import checkpoint, runtime
from tools.training.settings import load_settings, make_settings, value_of
from tools.views.figures import Picture
from tools.views.scene import PICTURES, Scene
from trainer import Trainer

__all__ = ["Data", "Evaluation", "Model", "fit", "load", "prepare"]

ALIKE = "interest_similarity"
OWN = ("_data_dir", "model_save_path", "infer_load_path", "infer_start_epoch", "infer_end_epoch")  # what `fit` sets


def fit(data, model="mind", *, output=None, **keys) -> "Model":
    """Train a model, as `trainer.py` does; prints a line an evaluation.

    Args:
        data: of `prepare`, or the folder of a data set.
        model: name in `models.MODELS`.
        output: folder of the run; None: a temporary one.
        keys: of docs/configuration.md by their last word, `epochs=5, seed=1, learning_rate=0.01`; `optimizer="SGD"` is
            `hyper_parameters.optimizer.class`.

    Raises:
        UserError: for wrong keys, all at once, and as `trainer.py`.
    """
    data = data if isinstance(data, Data) else Data(data)
    data.check()
    if own := [one for one in keys if one.endswith(OWN) and (one, keys[one]) != ("valid_data_dir", "")]:
        raise UserError(f"{', '.join(own)}: set by data and output; leave out")
    held = None if output else PassingFolder()
    path = held.path if held else Path(output).absolute()
    settings = make_settings({**data.keys, "model": model, "model_save_path": path, **keys}, MODELS)
    runtime.prepare(settings.runner.use_gpu, settings.runner.seed)
    with progress.logging_to_terminal(logging.WARNING):
        Run(settings).train()
    return Model(path / checkpoint.BEST, settings=settings, data=data, held=held)


class Run(Trainer):
    """A training run that prints a line an evaluation and logs nothing but warnings."""

    def evaluate(self):
        """As `Trainer.evaluate`."""
        metrics, name = super().evaluate(), self.runner.best_metric
        chosen = f"valid {name} {progress.metric_text(name, metrics[name])}" if metrics else "no valid split"
        alike = f", {ALIKE} {metrics[ALIKE]:.2f}" if ALIKE in metrics else ""
        best = " (best so far)" if metrics and not self.state.unimproved else ""
        print(f"epoch {self.state.epoch - (not self.state.batch)}: {chosen}{alike}{best}", flush=True)
        return metrics


def load(folder, *, data=None) -> "Model":
    """Open an export of `tools.export`, a checkpoint, the best checkpoint of a run, or one of these as a zip file.

    Args:
        folder: the folder, or the file.
        data: for a checkpoint, the data set that it was trained on, or its folder; None: where it was then.

    Raises:
        UserError: where the folder is none of these or damaged, or the data set is another.
    """
    folder, held = Path(folder).absolute(), None
    data = data if isinstance(data, Data | None) else Data(data)
    if folder.is_file():
        held = PassingFolder()
        folder = archive.unpack(folder, held.path / folder.stem)
    if (folder / "user_tower.json").is_file():
        return opened(Model(folder, data=data, held=held))
    if (folder / checkpoint.BEST / "config.yaml").is_file():
        folder = folder / checkpoint.BEST
    if not (folder / "config.yaml").is_file():
        raise UserError(f"{folder}: neither an export nor a checkpoint with its config.yaml; train or export one")
    settings = load_settings(folder / "config.yaml", models=MODELS)
    own = {"infer_load_path": str(folder.parent), **(data.keys if data else {})}
    own |= {"infer_start_epoch": int(folder.name) if folder.name.isdecimal() else None, "infer_end_epoch": None}
    settings = replace(settings, runner=replace(settings.runner, **own))
    if checkpoint.single(settings) != folder:
        raise UserError(f"{folder}: opened are epochs, as output/3, and output/best; give it such a name in a copy")
    if data is None and not Path(settings.runner.train_data_dir).is_dir():
        raise UserError(f"{folder}: trained on {settings.runner.train_data_dir}, which is not there; give data=FOLDER")
    data = data or Data(Path(settings.runner.test_data_dir).parent)
    return opened(Model(folder, settings=settings, data=data, held=held))


def opened(model: "Model") -> "Model":
    """The model, after a look at whether it can be asked: else that would be told at the first question."""
    _ = model.predictor
    return model


class Model(Served):
    """A trained model: `recommend`, `interests` and `similar_items` of `Served`, and what needs its data set.

    Args:
        folder: of the export or checkpoint.
        settings: the configuration of a checkpoint; None: it is an export.
        data: the data set.
        held: keeps the folder.
    """

    def __init__(self, folder, *, settings=None, data: Data | None = None, held: Any = None):
        self.folder, self.settings, self.data, self.held = Path(folder), settings, data, held
        columns = data.columns if data else {}
        super().__init__(columns=columns, pandas=bool(data and data.pandas))

    def __repr__(self):
        return f"{self.predictor.model}, {self.folder}"

    @functools.cached_property
    def _exported(self):
        """The folder of the export, made of the checkpoint at the first question."""
        if self.settings is None:
            return self.folder, None
        held = PassingFolder()
        return self.export(held.path / "export"), held

    @functools.cached_property
    def predictor(self):
        """The opened export."""
        return Predictor(folder=self._exported[0])

    def evaluate(self, *, top_n=None, diversity_lambda=None, split="test") -> Evaluation:
        """Metrics on test, as `infer.py` measures them, beside MostPop's.

        Args:
            top_n: list lengths; None: those of the training.
            diversity_lambda: what variety is worth, one value or several; None: as trained.
            split: `test` or `valid`.

        Raises:
            UserError: for an export, which has no users, and as `infer.py`.
        """
        settings = self._checkpoint("evaluate")
        runner, given = settings.runner, {"top_n": top_n, "diversity_lambda": diversity_lambda}
        if split not in SPLITS[1:]:
            raise UserError(f"split: {split!r} is not one of valid, test")
        given = {key: value_of(f"runner.{key}", value) for key, value in given.items() if value is not None}
        given["test_data_dir"] = getattr(runner, f"{split}_data_dir")
        with progress.logging_to_terminal(logging.WARNING):
            return Evaluation(measure(replace(settings, runner=replace(runner, **given))))

    def interests(self, history, *, profile=None, top_n=5) -> Interests:
        """The interests of one history, a list of items, oldest first: what makes each, and what each finds alone.

        Raises:
            UserError: for a model whose one interest are scores.
            RequestError: for a history of which the model knows nothing.
        """
        if self.predictor.vectors is None:
            raise UserError(f"{self.predictor.model} scores all items and has no interests; ask recommend")
        return Interests(self, history, profile, top_n)

    def explain(self, user=None, *, picture="coupling", top_n=50) -> Picture:
        """A picture of a test user, as `tools.explain` draws it: `coupling`, `items` or `similarity`.

        Args:
            user: the user's own id; None: the first of those with the longest history.
            picture: which.
            top_n: items an interest.

        Raises:
            UserError: for an export, which has no users, a user who is not in test, a model without vectors.
        """
        if picture not in PICTURES:
            known = ", ".join(PICTURES)
            raise UserError(f"picture: {picture!r} is not one of {known}{did_you_mean(picture, PICTURES)}")
        name = None if user is None else id_texts([user], "user")[0]
        with progress.logging_to_terminal(logging.WARNING):
            scene = Scene(settings=self._checkpoint("explain"), user=name, top_n=check_length(top_n))
            return Picture(lambda pyplot: PICTURES[picture](pyplot, scene))

    def export(self, folder, *, onnx=False) -> Path:
        """Write the folder that serving needs, as `tools.export` does; gives it."""
        settings = self._checkpoint("export")
        to_onnx = onnx_converter() if onnx else None
        with progress.logging_to_terminal(logging.WARNING):
            export(settings, folder, to_onnx)
        return Path(folder)

    def _checkpoint(self, what):
        """The settings of what is more than an export, ready for Paddle."""
        if self.settings is None:
            raise UserError(f"{what}: {self.folder} is an export, without users and training; load its checkpoint")
        if self.data:
            self.data.check()
        runtime.prepare(self.settings.runner.use_gpu, self.settings.runner.seed)
        return self.settings
