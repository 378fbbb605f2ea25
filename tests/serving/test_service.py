"""What the service answers is what the command line prints; what is no request is refused in the same words."""

import contextlib
import io
import json
import shutil
import sys

import exports
import numpy as np
import pytest
from messages import check_message

from tools import predict
from tools.common import checksums
from tools.retrieval.selection import Filters

pytestmark = pytest.mark.extras


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    exports.make_two(folder)
    return folder


@pytest.fixture(scope="module")
def service(folder):
    from tools.serving.service import Service

    return Service(folder=folder / "other/export")


def ask(service, *bodies, kind="recommend"):
    """Status and content of each."""
    texts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in bodies]
    return [(one.status, json.loads(one.body)) for one in getattr(service, kind)(texts)]


def predicted(folder, monkeypatch, capsys, *lines, top_n=7, options=()):
    """What `tools.predict` prints."""
    text = "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    capsys.readouterr()
    with contextlib.suppress(SystemExit):  # for lines that are no requests
        predict.main([str(folder / "other/export"), "--top_n", str(top_n), *options])
    return list(map(json.loads, capsys.readouterr().out.splitlines()))


REQUESTS = [
    {"user": "a", "history": ["i1", "i2", "i9"]}, {"user": 7, "history": ["i3"], "profile": {"age": 3}},
    {"user": "b", "history": ["i4", "new", "i5"], "query": "word1 word9"},
    {"user": "c", "history": ["i1", "i2"], "exclude": ["i7", "i8", "gone"]},
    {"user": "d", "history": ["i1", "i2"], "allow": ["i7", "i8", "i9", "gone", "i2"]},
    {"user": "e", "history": ["i1", "i2"], "category": ["c1", "c2"], "exclude": ["i4"]},
    {"user": "f", "history": ["i1"], "allow": []},
]  # fmt: skip


def check_alike(found, wanted):
    """Two lists of items are the same, but for the last digits of their scores, which differ from batch to batch."""
    assert [one | {"score": 0} for one in found] == [one | {"score": 0} for one in wanted]
    np.testing.assert_allclose([one["score"] for one in found], [one["score"] for one in wanted], rtol=1e-5)


def test_lists_are_those_of_the_command_line(folder, service, monkeypatch, capsys):
    expected = predicted(folder, monkeypatch, capsys, *REQUESTS)
    replies = ask(service, *(one | {"top_n": 7} for one in REQUESTS))  # in one batch
    (status, many), (_, shorter) = ask(service, [one | {"top_n": 7} for one in REQUESTS], REQUESTS[0] | {"top_n": 2})
    assert many == [found for _, found in replies]
    for want, (status, found) in zip(expected, replies, strict=True):
        assert status == 200
        assert found["user"] == want["user"]
        assert found["unknown"] == want["unknown"]
        assert not found["popular"]
        check_alike(
            found["items"],
            [one | {"title": service.titles[service.predictor.numbers[one["item"]]]} for one in want["items"]],
        )
    check_alike(shorter["items"], replies[0][1]["items"][:2])
    title = replies[0][1]["items"][0]
    assert title["title"] == service.titles[service.predictor.numbers[title["item"]]] != title["item"]
    items = [{one["item"] for one in found["items"]} for _, found in replies]
    assert not items[3] & {"i1", "i2", "i7", "i8"}
    assert items[4] == {"i7", "i8", "i9"}  # and not i2, which was seen
    assert all(int(one[1:]) % 3 > 0 for one in items[5])
    assert items[6] == set()


BAD = [
    "nonsense", "", "3", "null", '"text"', "{}", "[]", '{"user": "a"}', '{"user": "a", "histry": []}',
    '{"user": "a", "history": "i1"}', '{"user": "a", "history": [1.5]}', '{"user": "a", "history": [["i1"]]}',
    '{"user": "a", "history": [null]}', '{"user": 1.5, "history": []}', '{"user": "a\\n", "history": []}',
    '{"user": "a", "history": [], "profile": 3}', '{"user": "a", "history": [], "profile": {"agee": 3}}',
    '{"user": "a", "history": [], "query": 3}', '{"user": "a", "history": ["i1"], "exclude": "i1"}',
    '{"user": "a", "history": ["i1"], "allow": [1.5]}', '{"user": "a", "history": ["i1"], "category": ["cc1"]}',
    '{"user": "a", "history": ["i1"], "category": 1.5}', '{"user": "a", "history": ["i1"], "user": "b"}',
    '{"user": "a", "history": ["\\ud800"]}', '{"user": "\\ud800", "history": ["i1"]}', "[" * 100_000, '{"a":' * 50_000,
    '{"user": "a", "history": ["i1"], "__class__": 1}', '{"user": "a", "history": ["i1\\u0000"]}',
]  # fmt: skip


def test_what_is_no_request_is_refused_in_the_words_of_the_command_line(folder, service, monkeypatch, capsys):
    good = REQUESTS[0] | {"top_n": 7}
    (first,) = ask(service, good)
    bodies = [part for bad in BAD for part in (bad.encode(), good)]
    replies = ask(service, *bodies)
    for status, found in replies[1::2]:  # in one batch with all the bad ones
        assert (status, found | {"items": []}) == (200, first[1] | {"items": []})
        check_alike(found["items"], first[1]["items"])
    lines = [one for one in BAD if one]
    expected = predicted(folder, monkeypatch, capsys, *lines)
    told = dict(zip(lines, expected, strict=True))
    for bad, (status, found) in zip(BAD, replies[::2], strict=True):
        assert (status, list(found)) == (400, ["error"]), bad
        check_message(
            found["error"],
            "request",
            "line",
            "history",
            "profile",
            "query",
            "allow",
            "exclude",
            "category",
            "histories",
        )
        if "none of a request's keys" not in found["error"] and not bad.startswith("[") and bad:
            assert told[bad]["error"].endswith(found["error"])


@pytest.mark.parametrize("body, word", [
    (b'\xff\xfe{"history": []}', "not UTF-8"), (b'{"history": ["i1"], "top_n": 0}', "top_n: 0 is not a whole"),
    (b'{"history": ["i1"], "top_n": "5"}', "top_n: '5'"), (b'{"history": ["i1"], "top_n": true}', "top_n: True"),
    (b'{"history": ["i1"], "top_n": 1001}', "from 1 to 1000"), (b'{"history": ["i1"], "top_n": 1e9}', "top_n"),
    (b'[{"history": ["i1"]}, {"histry": []}]', "[1]: 'histry'"), (b"[3]", "is not a line like"),
    (json.dumps([{"history": []}] * 257).encode(), "257 histories in one request; give from 1 to 256"),
    (b'{"history": ["i1"], "profil": {}}', "did you mean profile?"),
])  # fmt: skip
def test_limits_and_other_keys(service, body, word):
    ((status, found),) = ask(service, body)
    assert status == 400
    assert word in found["error"]


def test_of_whom_nothing_is_known_the_popular_items_are_told(folder, service, tmp_path):
    shutil.copytree(folder / "other/export", tmp_path / "export")
    counts = np.zeros(31, np.int64)
    counts[[4, 9, 20, 21]] = [5, 9, 5, 1]
    np.save(tmp_path / "export/item_counts.npy", counts)
    checksums.write(tmp_path / "export")
    from tools.serving.service import Service

    counted = Service(folder=tmp_path / "export", filters=Filters(exclude=(service.predictor.names[21],)))
    names = service.predictor.names
    empty = {"user": 2**70, "history": [], "top_n": 9}
    (_, none), (_, unknown), (_, without) = ask(
        counted, empty, {"history": ["new", "newer"], "top_n": 2}, empty | {"exclude": [names[9]]}
    )
    assert (none["user"], none["popular"], none["unknown"]) == (2**70, True, 0)
    assert [(one["item"], one["score"], one["interest"]) for one in none["items"]] == [
        (names[9], 9, None), (names[4], 5, None), (names[20], 5, None)
    ]  # fmt: skip
    assert [one["item"] for one in unknown["items"]] == [names[9], names[4]]
    assert (unknown["popular"], unknown["unknown"]) == (True, 2)
    assert [one["item"] for one in without["items"]] == [names[4], names[20]]
    reply = counted.recommend([json.dumps({"history": ["new"], "allow": []}).encode()])[0]
    assert (reply.unknown, reply.empty, reply.popular) == (1, 1, 1)
    (tmp_path / "export/item_counts.npy").unlink()
    checksums.write(tmp_path / "export")
    ((_, nothing),) = ask(Service(folder=tmp_path / "export"), empty)
    assert nothing["items"] == []


def test_interests_and_neighbours(service):
    predictor = service.predictor
    (_, found), (_, unknown), (status, error) = ask(
        service,
        {"user": "a", "history": ["i1", "i2", "new"]},
        {"history": []},
        {"history": [], "top_n": 3},
        kind="embed",
    )
    hist_item = np.zeros((1, 6), np.int64)
    hist_item[0, :2] = [predictor.numbers["i1"], predictor.numbers["i2"]]
    interests, live = predictor.embed(hist_item, np.array([2]))
    assert [one["interest"] for one in found["interests"]] == (1 + np.flatnonzero(live[0])).tolist()
    np.testing.assert_allclose(
        [one["vector"] for one in found["interests"]], interests[0][live[0]], rtol=1e-4, atol=1e-6
    )
    assert (found["unknown"], unknown["interests"], status) == (1, [], 400)
    assert "'top_n' is none of a request's keys" in error["error"]
    (_, near), (status, error) = ask(
        service, {"item": "i5", "top_n": 4}, {"item": "../../etc/passwd", "top_n": 4}, kind="similar"
    )
    vectors = predictor.retriever.vectors / np.linalg.norm(predictor.retriever.vectors, axis=1, keepdims=True).clip(
        1e-9
    )
    item = predictor.numbers["i5"]
    cosine = vectors @ vectors[item]
    cosine[[0, item]] = -2
    assert [one["item"] for one in near["items"]] == [predictor.names[one] for one in np.argsort(-cosine)[:4].tolist()]
    np.testing.assert_allclose([one["score"] for one in near["items"]], np.sort(-cosine)[:4] * -1, rtol=1e-5)
    assert status == 404
    assert "is unknown" in error["error"]
    ((_, whole),) = ask(service, {"item": "i5", "top_n": 1000}, kind="similar")
    assert len(whole["items"]) == 29
