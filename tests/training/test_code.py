"""A checkpoint's own configuration names no code; a user's yaml and `-o` do."""

import sys

import pytest
from datasets import prepare_users

import infer
import trainer

READER = """
from pathlib import Path

from reader import InferDataset, RecDataset

Path(__file__).with_name("executed").touch()
"""
CONFIG = """
runner:
  train_data_dir: {folder}/data/train
  valid_data_dir: {folder}/data/valid
  test_data_dir: {folder}/data/test
  train_reader_path: own
  infer_reader_path: own
  train_batch_size: 512
  epochs: 1
  top_n: 10
  best_metric: recall@10
  model_save_path: {folder}/out
hyper_parameters:
  embedding_dim: 8
  maxlen: 8
  neg_samples: 20
  item_count: 61
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A run with a reader of the user's own, which the user's yaml names."""
    folder = tmp_path_factory.mktemp("project")
    prepare_users(folder)
    (folder / "own.py").write_text(READER)
    (folder / "config.yaml").write_text(CONFIG.format(folder=folder))
    sys.path.insert(0, str(folder))
    try:
        trainer.main(["-m", str(folder / "config.yaml")])
        yield folder
    finally:
        sys.path.remove(str(folder))


def forget(project):
    sys.modules.pop("own", None)
    (project / "executed").unlink(missing_ok=True)


def test_the_user_s_yaml_names_readers(project):
    forget(project)
    infer.main(["-m", str(project / "config.yaml")])
    assert (project / "executed").exists()


@pytest.mark.parametrize("command", [infer, trainer])
def test_the_yaml_of_a_checkpoint_names_none(command, project, capsys):
    forget(project)
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        command.main(["-m", str(project / "out/best/config.yaml")])
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert "config.yaml:6: runner.infer_reader_path: 'own' is code, which a checkpoint may not name" in told
    assert "-o runner.train_reader_path=own" in told
    assert not (project / "executed").exists()


def test_with_o_it_is_the_user_who_does(project):
    forget(project)
    readers = ["runner.train_reader_path=own", "runner.infer_reader_path=own"]
    infer.main(["-m", str(project / "out/best/config.yaml"), "-o", *readers])
    assert (project / "executed").exists()
