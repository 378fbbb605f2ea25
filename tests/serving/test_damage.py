"""Whatever happens to a file of an export, serving ends with code 2 and one line that names it."""

import json
import shutil
import subprocess
import sys

import exports
import numpy as np
import pytest
from paths import ROOT

from tools import add_items, export, predict
from tools.common import checksums

DAMAGES = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "noise": lambda path: path.write_bytes(np.random.default_rng(0).bytes(path.stat().st_size)),
}
MAINS = {"predict": predict.main, "add_items": add_items.main}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    exports.make(folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    """A copy of the export."""
    return shutil.copytree(whole / "out/export", tmp_path / "export")


def arguments(command, whole, folder):
    if command == "predict":
        return [str(folder), str(whole / "histories.jsonl")]
    return [str(whole / "new.jsonl"), "-m", str(whole / "out/best/config.yaml"), "--output", str(folder)]


def check_told(err, folder, name):
    assert err.startswith(f"error: {folder}")
    assert name in err
    assert err.count("\n") == 1


def test_the_export_has_every_file_that_one_can_have(folder):
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == exports.FILES


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", sorted(exports.FILES))
@pytest.mark.parametrize("command", MAINS)
def test_a_damaged_file_is_named(command, name, damage, whole, folder, capsys):
    DAMAGES[damage](folder / name)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        MAINS[command](arguments(command, whole, folder))
    assert end.value.code == 2
    check_told(capsys.readouterr().err, folder, name)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "command, name",
    [
        ("predict", "user_tower.pdiparams"),
        ("predict", "user_tower.json"),
        ("predict", "index.faiss"),
        ("add_items", "rec.pdparams"),
    ],
)
def test_noise_never_reaches_what_would_crash(command, name, whole, folder):
    DAMAGES["noise"](folder / name)
    argv = [sys.executable, "-m", f"tools.{command}", *arguments(command, whole, folder)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert name in error
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_every_cut_of_the_configuration_is_told(whole, folder, capsys):
    content = (folder / "config.yaml").read_bytes()
    ends = [end for end in range(len(content)) if content[end - 1 : end] == b"\n"]  # cut anywhere else it is no yaml
    for end in ends:
        (folder / "config.yaml").write_bytes(content[:end])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            predict.main(arguments("predict", whole, folder))
        assert ended.value.code == 2
        check_told(capsys.readouterr().err, folder, "config.yaml")


def test_a_folder_that_is_no_export_is_told_how_to_make_one(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        predict.main([str(tmp_path)])
    assert end.value.code == 2
    told = f"error: {tmp_path}: no config.yaml here; make it with: python -m tools.export -m config.yaml\n"
    assert capsys.readouterr().err == told


def test_added_items_leave_a_whole_export(whole, folder, capsys):
    for name in ("one", "two"):
        (folder.parent / "new").write_text(json.dumps({"item": name, "features": {"kind": "k1"}}))
        argv = arguments("add_items", whole, folder)
        add_items.main([str(folder.parent / "new"), *argv[1:]])
        assert checksums.faults(folder) == []
        predict.main(arguments("predict", whole, folder))
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == exports.FILES


@pytest.mark.extras
def test_milvus_s_own_files_are_no_part_of_the_sums(whole, tmp_path, capsys):
    best, folder = str(whole / "out/best/config.yaml"), tmp_path / "export"
    export.main(["-m", best, "-o", "runner.index=milvus", "--output", str(folder)])
    serve = [sys.executable, "-m", "tools.predict", *arguments("predict", whole, folder)]
    subprocess.run(serve, cwd=ROOT, check=True)  # makes milvus.db
    add_items.main(arguments("add_items", whole, folder))
    for _ in range(2):
        subprocess.run(serve, cwd=ROOT, check=True)
    assert (folder / "milvus.db").exists()
