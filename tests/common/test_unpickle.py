"""Parameters are read as `paddle.save` writes them, and a file that says anything else is refused before it does it."""

import contextlib
import pickle

import numpy as np
import paddle
import pytest

from tools.common import unpickle
from tools.common.errors import UserError


@pytest.fixture
def trained():
    layer = paddle.nn.Linear(2, 3)
    rate = paddle.optimizer.lr.PiecewiseDecay([3, 6], [0.1, 0.2, 0.3])
    optimizer = paddle.optimizer.Adam(learning_rate=rate, parameters=layer.parameters())
    layer(paddle.ones([1, 2])).sum().backward()
    optimizer.step()
    return layer, optimizer


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_what_paddle_saves_is_read(protocol, trained, tmp_path):
    for saved in (one.state_dict() for one in trained):
        paddle.save(saved, str(tmp_path / "saved"), protocol=protocol)
        found, expected = unpickle.read(tmp_path / "saved"), paddle.load(str(tmp_path / "saved"), return_numpy=True)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_equal(found[name], value)
            assert type(found[name]) is type(value)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("kind", ["f4", ">f4", "f2", "f8", "i8", "?"])
def test_arrays_of_every_shape_and_order(kind, protocol, tmp_path):
    arrays = {str(shape): np.asfortranarray(np.arange(np.prod(shape)).reshape(shape).astype(kind))
              for shape in [(), (0,), (5,), (2, 3), (0, 4), (2, 3, 4)]}  # fmt: skip
    arrays["a number"] = np.float32(0.5)
    (tmp_path / "saved").write_bytes(pickle.dumps(arrays, protocol))
    found = unpickle.read(tmp_path / "saved")
    assert all(np.array_equal(found[name], array) and found[name].dtype.isnative for name, array in arrays.items())


def test_arrays_that_protocol_2_cut_are_whole_again(tmp_path):
    """As Paddle does for arrays of a gigabyte."""
    told = {"table": {"OriginShape": (2, 3), "slices": ["table@@.0", "table@@.1"]}}
    parts = {"table@@.0": np.arange(4), "table@@.1": np.arange(4, 6), "UnpackBigParamInfor@@": told}
    (tmp_path / "saved").write_bytes(pickle.dumps(parts, 2))
    (found,) = unpickle.read(tmp_path / "saved").values()
    assert found.tolist() == [[0, 1, 2], [3, 4, 5]]


# The state of a type with the flags of objects: numpy would take the bytes of its arrays as addresses.
TYPE = (
    b"cnumpy\ndtype\n(X\x02\x00\x00\x00u8\x89\x88tR(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb"
)
MADE = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
PLAIN = TYPE.replace(b"K\x3ft", b"K\x00t")
BYTES = b"C\x08\xef\xbe\xad\xde\x00\x00\x00\x00"


def array(kind=PLAIN, shape=b"K\x01\x85", content=BYTES):
    return b"\x80\x03}X\x01\x00\x00\x00a" + MADE + b"(K\x01" + shape + kind + b"\x89" + content + b"tbs."


CRAFTED = {
    "a type of objects": (array(TYPE), "a type that is not plain"),
    "objects by name": (array(PLAIN.replace(b"u8", b"O8")), "an array of type 'O8'"),
    "fields": (array(PLAIN.replace(b"u8", b"V8")), "an array of type 'V8'"),
    "a shape without bytes": (array(shape=b"J\xff\xff\xff\x7f\x85"), "a shape that its bytes don't have"),
    "a shape below zero": (array(shape=b"J\xff\xff\xff\xff\x85"), "a shape that is none"),
    "bytes that are a number": (array(content=b"J\xff\xff\xff\x7f"), "an array that has no bytes"),
    "code": (b"\x80\x03cos\nsystem\nX\x02\x00\x00\x00id\x85R.", "it names os.system"),
    "a method": (b"\x80\x03cnumpy\nndarray.tofile\n.", "it names numpy.ndarray.tofile"),
    "a state of a list": (b"\x80\x03](K\x01tb.", "a state of what has none"),
    "a name as a value": (b"\x80\x03}X\x01\x00\x00\x00acnumpy\ndtype\ns.", "what is no parameter"),
    "a list of itself": (b"\x80\x03}X\x01\x00\x00\x00a]q\x00h\x00as.", "without end"),
    "a laugh": (
        b"\x80\x03}X\x01\x00\x00\x00a(]q\x00" +
        b"".join(b"](" + b"h%c" % n * 99 + b"eq%c" % (n + 1) for n in range(4)) + b"ts.", "without end",
    ),
    "copies": (
        b"\x80\x03}X\x01\x00\x00\x00a](X\x00\x40\x00\x00" + b"x" * 0x4000 + b"q\x00" +
        b"c_codecs\nencode\n(h\x00X\x06\x00\x00\x00latin1tR" * 900 + b"es.", "many copies of itself",
    ),
    "a wrong stack": (b"\x80\x03]\x85\x85\x86.", "an empty stack"),
    "an instance": (b"\x80\x02(cos\nsystem\no.", "it names os.system"),
    "an extension": (b"\x80\x02\x82\x01.", "the opcode EXT1"),
    "an object of its own": (b"\x80\x02K\x01Q.", "the opcode BINPERSID"),
    "eight bytes of length": (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fx", "expected"),
    "no end": (pickle.dumps({"a": 1})[:-1], "pickle exhausted before seeing STOP"),
}  # fmt: skip


@pytest.mark.parametrize("name", CRAFTED)
def test_what_is_crafted_is_refused(name, tmp_path):
    content, told = CRAFTED[name]
    (tmp_path / "saved").write_bytes(content)
    with pytest.raises(UserError, match=r"saved: not parameters as Paddle saves them \(") as error:
        unpickle.read(tmp_path / "saved")
    assert told in str(error.value)


def test_the_plain_array_of_these_is_read(tmp_path):
    (tmp_path / "saved").write_bytes(array())
    assert unpickle.read(tmp_path / "saved")["a"].tolist() == [0xDEADBEEF]


def test_a_device_is_no_file(tmp_path):
    (tmp_path / "saved").symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"saved: cannot be read \(not a regular file\)"):
        unpickle.read(tmp_path / "saved")


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_refused_or_harmless(seed, trained, tmp_path):
    """Bytes of a real file changed at random: it is read or refused."""
    rng = np.random.default_rng(seed)
    paddle.save(trained[1].state_dict(), str(tmp_path / "saved"))
    whole = np.fromfile(tmp_path / "saved", np.uint8)
    for _ in range(200):
        harmed = whole.copy()
        harmed[rng.integers(len(whole), size=3)] = rng.integers(256, size=3)
        (tmp_path / "saved").write_bytes(harmed.tobytes())
        with contextlib.suppress(UserError):
            unpickle.read(tmp_path / "saved")
