"""Where the values of history.csv go besides: the loggers of `runner.loggers`, one small adapter each."""

import contextlib
import logging
import os
import time
from collections.abc import Callable
from importlib import import_module
from itertools import groupby
from pathlib import Path

from tools.common import ranks
from tools.common.errors import UserError

PROJECT = "multi_interest"  # of MLflow and W&B, where their own variables name none
LONGEST = 500  # characters of a value that MLflow keeps of a configuration


class Logger:
    """A logger: `begin` before the first value, `add` for values of a step, `end` after the last.

    Values are written while `add` runs, and what fails there is raised there. The writers of TensorBoard's and
    VisualDL's packages have a thread of their own, in which a full disk is told to nobody and may stop the training for
    good: their file formats are used, not their threads.

    Args:
        name: in `runner.loggers`.
        folder: of the checkpoints.
        config: key -> value, for those who keep them.
        rows: of history.csv that a resumed run begins with, `(step, epoch, tag, value)`.
        step: after how many steps the run goes on.
    """

    extra, module = "", ""  # what installs it, what is imported

    def __init__(self, *, name, folder, config, rows, step):
        self.name, self.folder, self.config, self.rows, self.step = name, Path(folder), config, rows, step
        try:
            import_module(self.module)
        except ImportError:
            raise UserError(
                f"{name} as a logger needs an extra; install it with: pip install '.[{self.extra}]'"
            ) from None

    def begin(self):
        """Open what is written to."""
        raise NotImplementedError

    def add(self, step, values):
        """Write values of a step, tag -> value."""
        raise NotImplementedError

    def replay(self):
        """Give a run that is new to the logger what came before."""
        for step, rows in groupby(self.rows, key=lambda row: row[0]):
            self.add(step, {row[2]: row[3] for row in rows})

    def end(self, failed: bool):
        """Nothing more comes."""


class VisualDL(Logger):
    """A log in `visual/`."""

    extra, module = "visual", "visualdl"

    def begin(self):
        """Open a new file."""
        from visualdl.io.bfile import BFile
        from visualdl.writer.record_writer import RecordWriter

        (self.folder / "visual").mkdir(parents=True, exist_ok=True)
        self.file = RecordWriter(BFile(str(self.folder / f"visual/vdlrecords.{time.time():017.6f}.log"), "wb"))

    def add(self, step, values):
        """Append values, tag -> value."""
        from visualdl.component.base_component import scalar

        for tag, value in values.items():
            record = scalar(tag, value, step, walltime=round(1000 * time.time()))
            self.file.write(record.SerializeToString())
        self.file.flush()


class TensorBoard(Logger):
    """An event file in `tensorboard/`."""

    extra, module = "tensorboard", "tensorboardX"

    def begin(self):
        """Open a new file; it says that what older ones have of later steps is void."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        (self.folder / "tensorboard").mkdir(parents=True, exist_ok=True)
        self.file = EventsWriter(str(self.folder / "tensorboard/events"), f".{time.time_ns()}")
        start = SessionLog(status=SessionLog.START)
        self.file.write_event(Event(step=self.step + 1, wall_time=time.time(), session_log=start))

    def add(self, step, values):
        """Append values, tag -> value."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        self.file.write_event(Event(step=step, wall_time=time.time(), summary=summary))
        self.file.flush()


class MLflow(Logger):
    """A run at `MLFLOW_TRACKING_URI`, else in the folder `mlruns/`; `@` in a name is `_at_` there."""

    extra, module = "mlflow", "mlflow"

    def begin(self):
        """Begin a run, with the configuration."""
        from mlflow import MlflowClient
        from mlflow.entities import Param

        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if not uri:  # without a server the small package, mlflow-skinny, can write files alone, and asks for a consent
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            uri = (self.folder / "mlruns").absolute().as_uri()
        self.client, name = MlflowClient(uri), os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        experiment = self.client.get_experiment_by_name(name)
        number = experiment.experiment_id if experiment else self.client.create_experiment(name)
        self.run = self.client.create_run(number, run_name=self.folder.name).info.run_id
        kept = [Param(key, str(value)[:LONGEST]) for key, value in self.config.items()]
        for start in range(0, len(kept), 100):  # the most that one request may have
            self.client.log_batch(self.run, params=kept[start : start + 100])
        self.replay()

    def add(self, step, values):
        """Log values, tag -> value."""
        from mlflow.entities import Metric

        now = round(1000 * time.time())
        self.client.log_batch(
            self.run, [Metric(tag.replace("@", "_at_"), float(value), now, step) for tag, value in values.items()]
        )

    def end(self, failed):
        """Say how the run ended."""
        self.client.set_terminated(self.run, "FAILED" if failed else "FINISHED")


class WandB(Logger):
    """A run of Weights & Biases, in the project that `WANDB_PROJECT` names; with `WANDB_MODE=offline` in `wandb/`."""

    extra, module = "wandb", "wandb"

    def begin(self):
        """Begin a run, with the configuration."""
        import wandb

        self.folder.mkdir(parents=True, exist_ok=True)
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        self.run = wandb.init(project=project, name=self.folder.name, dir=str(self.folder), config=self.config)
        self.replay()

    def add(self, step, values):
        """Log values, tag -> value."""
        self.run.log(values, step=step)

    def end(self, failed):
        """Say how the run ended, and wait until it is sent."""
        self.run.finish(exit_code=int(failed))


LOGGERS: dict[str, Callable[..., Logger]] = {
    "visualdl": VisualDL, "tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WandB,
}  # fmt: skip


class Loggers:
    """The loggers of a run. One that fails is told and left out, since a training is worth more than its picture.

    Args:
        config: the configuration; `runner.use_visual` is `visualdl` among the `runner.loggers`.
        rows, step: see `Logger`.

    Raises:
        UserError: without the extra that a logger needs.
    """

    def __init__(self, config, *, rows, step):
        runner = config.runner
        names = dict.fromkeys([*["visualdl"] * runner.use_visual, *runner.loggers] if ranks.rank() == 0 else ())
        given = {"folder": runner.model_save_path, "config": config.flat(), "rows": rows, "step": step}
        self.live = [LOGGERS[name](name=name, **given) for name in names]
        self.lost: dict[str, str] = {}  # name -> what is missing in it, and why

    def begin(self):
        """Open all; a `UserError` for one that cannot be opened, since nothing has been trained yet."""
        try:
            for logger in self.live:
                logger.begin()
        except Exception as error:  # of files, of a network, of what a server says
            raise UserError(f"runner.loggers: {logger.name}: {_told(error)}; mend or leave it out") from None

    @contextlib.contextmanager
    def guarded(self, logger, what):
        """Leave out a logger that fails, and tell it."""
        try:
            yield
        except Exception as error:
            self.live.remove(logger)
            self.lost[logger.name] = f"{logger.name} {what}: {_told(error)}; history.csv has all"
            logging.warning("%s", self.lost[logger.name])

    def add(self, step, values):
        """Give all the values of a step, tag -> value."""
        for logger in list(self.live):
            with self.guarded(logger, f"has nothing from step {step} on"):
                logger.add(step, values)

    def end(self, failed):
        """Close all, and say again what is missing where."""
        for told in self.lost.values():
            logging.warning("%s", told)
        for logger in list(self.live):
            with self.guarded(logger, "was not closed"):
                logger.end(failed)


def _told(error) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:300]
