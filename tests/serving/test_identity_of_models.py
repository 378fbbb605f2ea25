"""Every command that uses a model refuses another data set's ids, naming both, in one line."""

import json
import shutil
from pathlib import Path

import exports
import pytest

import infer
import trainer
from tools import add_items, explorer, export, predict
from tools.common import checksums, replacing
from tools.common.errors import UserError
from tools.data import identity
from tools.serving.exporter import export as write_export
from tools.serving.predictor import Predictor
from tools.training import agreement
from tools.training.settings import load_settings
from tools.views.explore import Explorer, read_users

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """`data` and its model; `other`, the same log with two items' places changed; `old`, without identities."""
    folder = tmp_path_factory.mktemp("made")
    exports.make(folder)
    config = load_settings(folder / "out/best/config.yaml")
    origin = identity.read_identity(agreement.runner_splits(config))
    for name in ("best", "export"):
        shutil.copytree(folder / "out" / name, folder / "old" / name)
        (folder / "old" / name / identity.NAME).unlink(missing_ok=True)
        checksums.write(folder / "old" / name)
    identity.write(folder / "out/best", origin)
    checksums.write(folder / "out/best")
    write_export(config, folder / "out/export")
    shutil.copytree(folder / "data", folder / "other")
    rows = (folder / "data/item_map.csv").read_text().splitlines()
    names = [rows[2].split(",")[1], rows[1].split(",")[1]]
    rows[1:3] = [f"1,{names[0]}", f"2,{names[1]}"]
    (folder / "other/item_map.csv").write_text("\n".join(rows) + "\n")
    text = (folder / "other/meta.yaml").read_text()
    (folder / "other/meta.yaml").write_text(text.replace(origin.item_map, identity.map_digest(folder / "other")))
    return folder


def other(made, run="out"):
    dirs = [f"runner.{name}_data_dir={made / 'other' / name}" for name in ("train", "valid", "test")]
    return ["-m", str(made / "out/best/config.yaml"), "-o", f"runner.model_save_path={made / run}", *dirs]


def told(main, argv, capsys):
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if " - " not in line]
    assert len(lines) == 1
    return lines[0]


COMMANDS = {
    "infer": (infer.main, []),
    "export": (export.main, []),
    "add_items": (add_items.main, ["{made}/new.jsonl"]),
    "model_init_path": (trainer.main, []),
    "explorer": (explorer.main, []),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_another_data_set_is_refused(name, made, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(explorer, "open_gradio", lambda: None)
    main, first = COMMANDS[name]
    argv = [*(one.format(made=made) for one in first), *other(made)]
    if name == "model_init_path":
        argv = [*argv, f"runner.model_init_path={made / 'out/best'}", f"runner.model_save_path={tmp_path}"]
    error = told(main, argv, capsys)
    ours, theirs = (identity.map_digest(made / one) for one in ("data", "other"))
    assert f"trained on {made / 'data'} (log.csv, item map {ours})" in error
    assert f"and this is {made / 'other'} (log.csv, item map {theirs})" in error
    assert "give the data set that it was trained on, or train again" in error


def test_users_of_another_data_set_are_refused(made):
    model = Explorer(folder=made / "out/export")
    assert read_users(made / "data/test", [model])
    with pytest.raises(UserError, match=r"out/export: trained on .* and this is \S+/other \("):
        read_users(made / "other/test", [model])


@pytest.mark.slow
def test_a_grown_export_says_what_it_came_from(made, tmp_path, capsys):
    grown = shutil.copytree(made / "out/export", tmp_path / "export")
    argv = ["-m", str(made / "out/best/config.yaml"), "--output", str(grown)]
    base = identity.read(grown).item_map
    add_items.main([str(made / "new.jsonl"), *argv])
    (tmp_path / "more.jsonl").write_text('{"item": "more", "features": {"kind": "k1"}}\n')
    middle = identity.read(grown).item_map
    add_items.main([str(tmp_path / "more.jsonl"), *argv])
    with replacing.writing(grown):  # another adds items, which would be lost
        assert f"{grown}: is being written by process" in told(add_items.main, [str(made / "new.jsonl"), *argv], capsys)
    carried = identity.read(grown)
    assert carried.bases == (base, middle)
    assert carried.item_map == identity.map_digest(grown) not in carried.bases
    assert read_users(made / "data/test", [Explorer(folder=grown)])
    assert "trained on" in told(add_items.main, [str(made / "new.jsonl"), *other(made), "--output", str(grown)], capsys)


def test_the_map_inside_an_export_must_be_its_own(made, tmp_path, capsys):
    changed = shutil.copytree(made / "out/export", tmp_path / "export")
    shutil.copy(made / "other/item_map.csv", changed)
    checksums.write(changed)  # `sha256sum -c` finds no fault
    error = told(predict.main, [str(changed), str(made / "histories.jsonl")], capsys)
    assert f"{changed}/item_map.csv: item map {identity.map_digest(made / 'other')}, and the export was made" in error


def test_old_ones_load_with_a_warning_and_what_can_be_checked_is(made, tmp_path, capsys, caplog):
    ours = ["-m", str(made / "out/best/config.yaml"), "-o", f"runner.model_save_path={made / 'old'}"]
    infer.main(ours)
    warned = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert warned == [f"{made}/old/best: has no identity.json, so its data set cannot be checked; it is taken as given"]
    text = (made / "other/meta.yaml").read_text()
    fewer = shutil.copytree(made / "other", tmp_path / "fewer")
    (fewer / "meta.yaml").write_text(text.replace("item_count: 31", "item_count: 29"))
    dirs = [f"runner.{name}_data_dir={fewer / name}" for name in ("train", "valid", "test")]
    assert f"old/best: trained with item_count 31, {fewer} has 29; give the" in told(infer.main, [*ours, *dirs], capsys)
    with pytest.raises(UserError, match=r"old/export: .*other.* has other items; give the data set that it was"):
        read_users(made / "other/test", [Explorer(folder=made / "old/export")])


def test_the_export_before_rooms_still_answers(caplog):
    folder = REPO / "tests/golden/before_rooms/export"
    predictor = Predictor(folder=folder)
    assert predictor.item_num > 0
    assert [one.levelname for one in caplog.records] == ["WARNING"]


def test_folders_without_a_map_are_held_against_their_training_files(made, tmp_path, capsys):
    for name in ("train", "valid", "test"):
        (tmp_path / "data" / name).mkdir(parents=True)
        shutil.copy(made / "data" / name / "interactions.csv", tmp_path / "data" / name)
    config = tmp_path / "config.yaml"
    config.write_text(
        "runner: {train_data_dir: data/train, valid_data_dir: data/valid, test_data_dir: data/test, epochs: 1, "
        f"model_save_path: {tmp_path}/out}}\nhyper_parameters: {{item_count: 31, embedding_dim: 4, neg_samples: 9}}\n"
    )
    trainer.main(["-m", str(config)])
    infer.main(["-m", str(config)])
    path = tmp_path / "data/train/interactions.csv"
    rows = [row.split(",") for row in path.read_text().splitlines()]
    path.write_text("".join(f"{user},{31 - int(item)},{time}\n" for user, item, time in rows))
    assert "as runner.train_data_dir the files that it was trained on" in told(infer.main, ["-m", str(config)], capsys)
    error = told(trainer.main, ["-m", str(config), "-o", "runner.resume=auto"], capsys)
    assert json.loads((tmp_path / "out/best/identity.json").read_text())["files"] in error
