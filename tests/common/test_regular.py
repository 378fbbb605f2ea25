"""What is small on disk and large in memory, or claims what it has not, is refused before it is unpacked."""

import os
import resource
import zipfile

import numpy as np
import pytest

from tools.common.errors import UserError
from tools.common.files import load_array, load_arrays, map_array
from tools.config.overrides import read_yaml


def largest():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.slow
def test_a_bomb_is_refused_unopened(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(1 << 28, np.int8))
    before = largest()
    with pytest.raises(UserError, match=r"bomb\.npz: not readable \([0-9,]+ bytes that unpack to 268,435,"):
        load_arrays(tmp_path / "bomb.npz", "fix it")
    assert largest() - before < 1 << 27


def test_many_members_are_counted_together(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"{number}.npy", bytes(1 << 22))
    with pytest.raises(UserError, match="bytes that unpack to"):
        load_arrays(tmp_path / "bomb.npz", "fix it")


@pytest.mark.parametrize("read", [load_array, map_array])
@pytest.mark.parametrize("shape", [b"(4611686018427387904,)", b"(999999999999,)", b"(99999, 99999, 99999)", b"(7,)"])
def test_a_header_that_claims_more_than_the_file_has(shape, read, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(5, np.int8))
    content = (tmp_path / "a.npy").read_bytes()
    old, new = b"(5,), }" + b" " * (len(shape) - 4), shape + b", }"
    assert old in content
    (tmp_path / "a.npy").write_bytes(content.replace(old, new))
    with pytest.raises(UserError, match=r"a\.npy: not readable"):
        read(tmp_path / "a.npy", "fix it")


@pytest.mark.parametrize("read", [load_array, load_arrays, map_array])
@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/dev/zero"), os.mkfifo])
def test_a_device_or_a_pipe_is_no_array(make, read, tmp_path):
    make(tmp_path / "a.npy")
    with pytest.raises(UserError, match="not a regular file"):
        read(tmp_path / "a.npy", "fix it")


@pytest.mark.parametrize("content", [b"a: " + b"x" * (60 << 20), None])
def test_a_yaml_has_a_bound(content, tmp_path):
    path = tmp_path / "config.yaml"
    path.symlink_to("/dev/zero") if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match="larger than the 1,048,576 bytes"):
        read_yaml(path)
