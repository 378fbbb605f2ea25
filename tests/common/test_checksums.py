"""Checksums of a folder: every damage to every file is found, that of the list itself included."""

import os
import shutil
import subprocess

import pytest

from tools.common import checksums


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "export"
    (folder / "train").mkdir(parents=True)
    (folder / "vectors.npy").write_bytes(bytes(range(256)) * 9)
    (folder / "train/query.npz").write_bytes(b"words")
    (folder / "a name with  spaces ü").write_text("")
    checksums.write(folder)
    return folder


def test_a_whole_folder_has_no_faults(folder):
    assert checksums.faults(folder) == []
    (folder / "not listed").write_text("no fault")
    assert checksums.faults(folder) == []
    checksums.write(folder)  # the old list is no part of the new
    assert checksums.faults(folder) == []
    (folder / "not listed").unlink()
    assert checksums.faults(folder) == ["not listed: missing"]


def test_every_file_s_damage_is_told(folder):
    (folder / "vectors.npy").write_bytes(bytes(range(256)) * 8)
    (folder / "train/query.npz").unlink()
    (folder / "a name with  spaces ü").unlink()
    (folder / "a name with  spaces ü").mkdir()
    directory, missing, differs = checksums.faults(folder)
    assert directory.startswith("a name with  spaces ü: cannot be read (")
    assert (missing, differs) == ("train/query.npz: missing", "vectors.npy: differs from its checksum")


def test_no_cut_of_the_list_goes_unnoticed(folder):
    whole = (folder / "SHA256SUMS").read_bytes()
    for end in range(len(whole)):
        (folder / "SHA256SUMS").write_bytes(whole[:end])
        assert checksums.faults(folder), end
    (folder / "SHA256SUMS").write_bytes(whole)
    assert checksums.faults(folder) == []


@pytest.mark.parametrize(
    "content, fault",
    [
        (None, "missing"),
        (b"", "cut short"),
        (b"\x80\x81\n", "not a list of checksums"),
        (b"noise\nnoise\n", "not a list of checksums"),
        (b"0" * 64 + b"  vectors.npy\n", "cut short"),
    ],
)
def test_a_damaged_list_is_told(content, fault, folder):
    (folder / "SHA256SUMS").unlink()
    if content is not None:
        (folder / "SHA256SUMS").write_bytes(content)
    assert checksums.faults(folder) == [f"SHA256SUMS: {fault}"]
    assert checksums.faults(folder / "no such folder") == ["SHA256SUMS: missing"]


def test_noise_in_a_name_is_a_fault_and_no_crash(folder):
    (folder / "SHA256SUMS").write_bytes((b"0" * 64 + b"  \x00name\n") * 2)
    (fault,) = checksums.faults(folder)
    assert fault.startswith("\x00name: cannot be read (")


@pytest.mark.parametrize("name", ["/dev/zero", "../outside", "train/../../outside", "link", "linked/outside"])
def test_nothing_outside_the_folder_is_read(name, folder):
    (folder.parent / "outside").write_text("")
    (folder / "link").symlink_to(folder.parent / "outside")
    (folder / "linked").symlink_to(folder.parent)
    line = f"{'0' * 64}  {name}\n"
    (folder / "SHA256SUMS").write_text(line * 2)
    assert checksums.faults(folder) == [f"{name}: cannot be read (it leads out of the folder)"]


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/dev/zero"), os.mkfifo])
@pytest.mark.parametrize("name", ["vectors.npy", "SHA256SUMS", "train/other"])
def test_a_device_or_a_pipe_is_no_file_of_a_folder(make, name, folder):
    (folder / name).unlink(missing_ok=True)
    make(folder / name)
    assert checksums.faults(folder) == [f"{name}: cannot be read (not a regular file)"]


def test_a_list_without_end_is_none(folder):
    (folder / "SHA256SUMS").write_bytes(b"x" * (2 << 20))
    assert checksums.faults(folder)[0].startswith("SHA256SUMS: cannot be read (larger than")


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="sha256sum is not installed")
def test_sha256sum_understands_the_list(folder):
    def check():
        return subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True)

    assert check().returncode == 0
    assert check().stderr == b""
    (folder / "vectors.npy").write_bytes(b"")
    assert check().returncode == 1
