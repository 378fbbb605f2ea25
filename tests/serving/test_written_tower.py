"""What Paddle did not write to its end, without a word, is an error of the export."""

import os
from pathlib import Path

import exports
import paddle
import pytest

from tools.common.errors import UserError
from tools.serving import exporter, tower_files
from tools.training.settings import load_settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return load_settings(exports.make(tmp_path_factory.mktemp("whole")))


@pytest.mark.parametrize("suffix", ["json", "pdiparams"])
@pytest.mark.parametrize("lost", [1, 1000])
@pytest.mark.slow
def test_a_tower_that_was_not_written_to_its_end(lost, suffix, settings, tmp_path, monkeypatch):
    save = paddle.jit.save

    def short(layer, path, **options):
        save(layer, path, **options)
        os.truncate(f"{path}.{suffix}", os.path.getsize(f"{path}.{suffix}") - lost)

    monkeypatch.setattr(paddle.jit, "save", short)
    with pytest.raises(UserError, match=rf"export: cannot be written \(Paddle wrote .*user_tower\.{suffix}: "):
        exporter.export(settings, tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content, whole", [(b"\x08\x07\x3a\x03abc", True), (b"\x08\x07\x3a\x03ab", False),
                                            (b"\x08\x07\x3a\x83", False), (b"", False)])  # fmt: skip
def test_an_onnx_file_ends_where_its_fields_do(content, whole, tmp_path):
    path = Path(tmp_path / "tower.onnx")
    path.write_bytes(content)
    if whole:
        tower_files.check_onnx(path)
    else:
        with pytest.raises(OSError, match="cut short"):
            tower_files.check_onnx(path)
