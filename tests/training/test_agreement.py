"""What differs from training is named by every command that uses a model, with both values, all at once."""

import shutil

import exports
import pytest
import yaml

import infer
import trainer
from tools import add_items, export, predict

CHANGES = [  # key, value of training, another one
    ("item_count", exports.V, exports.V + 9),
    ("item_count", exports.V, exports.V - 9),  # the data set's ids are above it
    ("maxlen", 6, 7),
    ("interest_num", 4, 3),
    ("model", "mind", "comirec_dr"),
    ("embedding_dim", 8, 16),
    ("similarity", "dot", "cosine"),
    ("item_features", ["kind"], []),
    ("item_features", ["kind"], ["nosuch"]),
    ("user_features", ["age"], []),
    ("query", True, False),
]
MAINS = {"infer": infer.main, "export": export.main, "add_items": add_items.main, "model_init_path": trainer.main}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agreement")
    exports.make(folder)
    return folder


def arguments(command, folder, *options):
    own = {
        "add_items": [str(folder / "new.jsonl")],
        "model_init_path": ["-o", f"runner.model_init_path={folder / 'out/best'}"],
    }
    # A yaml of its own, so that no key that is given belongs to a model that was changed for another.
    return [*own.get(command, []), "-m", str(folder / "out/best/config.yaml"), "-o", *options]


def told(main, argv, capsys):
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 2
    return [line.removeprefix("error: ").strip() for line in capsys.readouterr().err.splitlines()]


def line(key, then, now):
    return (
        f": trained with hyper_parameters.{key}: {then}, the configuration has {now}; set it to {then} or train again"
    )


@pytest.mark.parametrize("key, then, now", CHANGES)
@pytest.mark.parametrize("command", MAINS)
def test_a_difference_is_named_with_both_values(command, key, then, now, folder, capsys):
    (error,) = told(MAINS[command], arguments(command, folder, f"hyper_parameters.{key}={now}"), capsys)
    assert error == f"{folder / 'out' / ('export' if command == 'add_items' else 'best')}{line(key, then, now)}"


@pytest.mark.parametrize("command", MAINS)
def test_several_differences_are_named_at_once(command, folder, capsys):
    options = [f"hyper_parameters.{text}" for text in ("maxlen=7", "interest_num=3", "temperature=2")]
    errors = told(MAINS[command], arguments(command, folder, *options), capsys)
    assert [error.partition(": ")[2] for error in errors] == [line("maxlen", 6, 7)[2:], line("interest_num", 4, 3)[2:]]


@pytest.mark.parametrize("key, then, now", CHANGES)
def test_an_edited_export_is_told_what_differs(key, then, now, folder, tmp_path, capsys):
    edited = shutil.copytree(folder / "out/export", tmp_path / "export")
    content = yaml.safe_load((edited / "config.yaml").read_text())
    content["hyper_parameters"][key] = now
    (edited / "config.yaml").write_text(yaml.safe_dump(content))
    wanted = [f"{edited / 'config.yaml'}{line(key, then, now)}"]
    assert told(predict.main, [str(edited), str(folder / "histories.jsonl")], capsys) == wanted
    assert told(add_items.main, [*arguments("add_items", folder)[:-1], "--output", str(edited)], capsys) == wanted


def test_what_only_training_reads_may_change(folder, tmp_path):
    options = ["hyper_parameters.temperature=2", "hyper_parameters.optimizer.learning_rate=1"]
    argv = arguments("export", folder, *options)
    export.main([*argv, "--output", str(tmp_path / "export")])


def test_items_that_were_added_are_no_difference(folder, tmp_path, capsys):
    grown = shutil.copytree(folder / "out/export", tmp_path / "export")
    argv = [*arguments("add_items", folder)[:-1], "--output", str(grown)]
    add_items.main(argv)
    (tmp_path / "more").write_text('{"item": "more", "features": {"kind": "k2"}}')
    options = ["-o", f"hyper_parameters.item_count={exports.V + 1}"]  # the export's size is not what was trained
    errors = told(add_items.main, [str(tmp_path / "more"), *argv[1:], *options], capsys)
    assert errors == [f"{grown}{line('item_count', exports.V, exports.V + 1)}"]
    add_items.main([str(tmp_path / "more"), *argv[1:]])
    predict.main([str(grown), str(folder / "histories.jsonl")])
    assert '"more"' in capsys.readouterr().out
