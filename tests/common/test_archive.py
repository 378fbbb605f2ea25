"""A folder as a zip file and back: equal folders give equal files, and a crafted file writes nothing outside."""

import stat
import zipfile

import pytest

from tools.common import archive
from tools.common.errors import UserError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run/best").mkdir(parents=True)
    (tmp_path / "run/best/rec.pdparams").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "run/metrics.json").write_text("{}")
    (tmp_path / "run/other").write_text("not packed")
    return tmp_path / "run"


def test_what_was_packed_comes_out_again_and_equal_folders_are_equal_files(folder, tmp_path):
    for name in ("a.zip", "b.zip"):
        archive.pack([folder / "metrics.json", folder / "best"], folder, tmp_path / name)
        (folder / "metrics.json").touch()
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert archive.unpack(tmp_path / "a.zip", tmp_path / "out") == tmp_path / "out"
    found = {one.relative_to(tmp_path / "out").as_posix() for one in (tmp_path / "out").rglob("*") if one.is_file()}
    assert found == {"best/rec.pdparams", "metrics.json"}
    assert (tmp_path / "out/best/rec.pdparams").read_bytes() == (folder / "best/rec.pdparams").read_bytes()


def test_an_archive_of_one_folder_is_that_folder(folder, tmp_path):
    archive.pack([folder], folder.parent, tmp_path / "a.zip")
    assert archive.unpack(tmp_path / "a.zip", tmp_path / "out") == tmp_path / "out/run"


def entry(name, kind=stat.S_IFREG):
    one = zipfile.ZipInfo(name)
    one.external_attr = (kind | 0o644) << 16
    return one


@pytest.mark.parametrize(
    "entries, told",
    [
        ([entry("../over")], "../over: leads out of the folder"),
        ([entry("a/../../over")], "leads out of the folder"),
        ([entry("/tmp/over")], "/tmp/over: leads out of the folder"),
        ([entry("C:over")], "leads out of the folder"),
        ([entry(".")], "leads out of the folder"),
        ([entry("link", stat.S_IFLNK)], "link: not a regular file"),
        ([entry("pipe", stat.S_IFIFO)], "pipe: not a regular file"),
        ([entry("twice"), entry("Twice")], "a file stands in it twice"),
        ([entry("a"), entry("a/b")], "File exists|Not a directory"),
        ([entry(f"f{number}") for number in range(archive.MOST + 1)], "1,001 entries, and 1,000 is the most"),
    ],
)  # fmt: skip
def test_a_crafted_file_is_refused(entries, told, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        for one in entries:
            file.writestr(one, "x")
    before = {one.name for one in tmp_path.iterdir()}
    with pytest.raises(UserError, match=rf"x.zip: not an archive that can be opened \(.*({told}).*\); fetch it again"):
        archive.unpack(tmp_path / "x.zip", tmp_path / "out")
    assert {one.name for one in tmp_path.iterdir()} - before <= {"out"}


def test_a_bomb_and_a_damaged_file_are_refused(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(70 << 20))
    archive.pack([folder], folder, tmp_path / "whole.zip")
    data = (tmp_path / "whole.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: len(data) // 2])
    (tmp_path / "changed.zip").write_bytes(data[:60] + bytes(20) + data[80:])
    (tmp_path / "none.zip").write_text("<html>not found</html>")
    for name, told in (("bomb", "bytes that unpack to"), ("cut", "not a zip"), ("changed", ""), ("none", "not a zip")):
        with pytest.raises(UserError, match=f"{name}.zip: not an archive that can be opened .*{told}"):
            archive.unpack(tmp_path / f"{name}.zip", tmp_path / name)
