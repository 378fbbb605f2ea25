"""Training where there is no valid split: all epochs, nothing chosen, and the last step is kept as the best."""

import json
import logging

import pytest
import yaml

import infer
import trainer


def without_valid(path, **runner):
    config = yaml.safe_load(path.read_text())
    config["runner"] |= {"valid_data_dir": "", "model_save_path": str(path.parent / "out"), **runner}
    path.write_text(yaml.safe_dump(config))
    return ["-m", str(path)]


def test_all_epochs_are_trained_and_the_last_is_kept(tiny_config, caplog):
    caplog.set_level(logging.INFO)
    options = without_valid(tiny_config)
    trainer.main(options)
    assert "no valid split: nothing was chosen, best/ holds the last step" in caplog.text
    out = tiny_config.parent / "out"
    best, last = ((out / name / "rec.pdparams").read_bytes() for name in ("best", "1"))
    assert best == last
    infer.main(options)
    assert len(json.loads((out / "metrics.json").read_text())) == 2


def test_early_stopping_needs_one(tiny_config, capsys):
    with pytest.raises(SystemExit) as ended:
        trainer.main(without_valid(tiny_config, early_stop=2))
    assert ended.value.code == 2
    assert "2 without a valid split; set it to 0" in capsys.readouterr().err
