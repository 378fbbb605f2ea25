"""The service over HTTP: paths and limits, and no request lost while exports come and go."""

import contextlib
import os
import shutil
import signal
import threading
import time

import exports
import pytest
from ports import free_port

from tools import serve
from tools.common import checksums
from tools.common.errors import UserError
from tools.common.files import atomic_folder
from tools.serving.watched import Watched
from tools.serving.worker import BESIDE

pytestmark = pytest.mark.extras
TOKEN = {"Authorization": "Bearer secret"}
ASK = {"history": ["i1", "i2"], "top_n": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve")
    exports.make_two(folder)
    shutil.copytree(folder / "out/export", folder / "served")
    return folder


@pytest.fixture(scope="module")
def client(folder):
    """Over a process with the export open; a folder put in its place is seen at once."""
    from starlette.testclient import TestClient

    from tools.serving.web import Web

    web = Web(watched=Watched(folder=folder / "served"), replace=True, token="secret")
    with TestClient(web.app()) as client:
        client.watched = web.watched
        yield client


def put(folder, source, damage=None):
    """A whole new export in the served one's place."""
    with atomic_folder(folder / "served") as new:
        shutil.copytree(source, new, dirs_exist_ok=True)
        (new / "made.txt").write_text(str(time.time()))
        checksums.write(new)
        if damage:
            (new / damage).write_bytes((new / damage).read_bytes()[:-7] + b"damaged")


def wait(true):
    end = time.monotonic() + BESIDE + 60  # on a busy machine an export is opened beside another one in so many seconds
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def test_paths(client):
    assert client.get("/health").json() == {"status": "ok"}
    ready = client.get("/ready")
    assert (ready.status_code, ready.json()["ready"], ready.json()["items"]) == (200, True, 30)
    reply = client.post("/recommend", json=ASK)
    assert reply.status_code == 200
    assert len(reply.json()["items"]) == 3
    assert len(client.post("/recommend", json=[ASK] * 5).json()) == 5
    assert client.post("/embed", json={"history": ["i1"]}).json()["interests"]
    assert len(client.get("/items/i1/similar", params={"top_n": 4}).json()["items"]) == 4
    schema = client.get("/openapi.json").json()
    assert {"/recommend", "/embed", "/items/{item}/similar", "/health", "/ready", "/metrics"} <= set(schema["paths"])
    assert client.get("/docs").status_code == 200


@pytest.mark.parametrize("method, path, options, status, word", [
    ("GET", "/nowhere", {}, 404, "Not Found"), ("GET", "/recommend", {}, 405, "Method Not Allowed"),
    ("POST", "/recommend", {"content": b"x" * (2 << 20)}, 413, "more than 1,048,576 bytes"),
    ("POST", "/recommend", {"content": b"", "headers": {"content-length": "99999999999999999999999"}}, 413, "bytes"),
    ("POST", "/recommend", {"content": b"\xff"}, 400, "UTF-8"),
    ("POST", "/embed", {"content": b"[]"}, 400, "0 histories"),
    ("POST", "/recommend", {"content": (b"[" for _ in range(2 << 20))}, 413, "bytes"),
    ("GET", "/items/nothing/similar", {}, 404, "item 'nothing' is unknown"),
    ("GET", "/items/..%2f..%2fetc%2fpasswd/similar", {}, 404, "unknown"),
    ("GET", "/items/i1/similar", {"params": {"top_n": "0"}}, 400, "top_n: '0' is not a whole number from 1 to 1000"),
    ("GET", "/items/i1/similar", {"params": {"top_n": "9" * 5000}}, 400, "top_n"),
    ("GET", "/items/i1/similar", {"params": {"file": "/etc/passwd"}}, 400, "'file' is not top_n"),
    ("GET", "/items/i1/similar?top_n=3&top_n=5", {}, 400, "top_n is given 2 times; give it once"),
    ("POST", "/recommend?top_n=3", {"json": ASK}, 400, "'top_n' stands in the URL; say it in the body"),
    ("POST", "/recommend?=3", {"json": ASK}, 400, "'' stands in the URL; say it in the body"),
    ("POST", "/embed", {"params": {"file": "x"}, "json": {"history": ["i1"]}}, 400, "'file' stands in the URL"),
    ("POST", "/reload", {}, 401, "token"),
    ("POST", "/reload", {"headers": {"authorization": "Bearer no"}}, 401, "token"),
])  # fmt: skip
def test_what_cannot_be_gets_a_status_and_a_line(client, method, path, options, status, word):
    reply = client.request(method, path, **options)
    assert reply.status_code == status
    assert word in reply.json()["error"]
    assert len(reply.json()["error"].splitlines()) == 1
    assert client.post("/recommend", json=ASK).status_code == 200


@contextlib.contextmanager
def asked_all_the_time(client, replies):
    """Three threads that ask; they end with this, whatever happens: else the client would wait for them for ever."""
    stop = threading.Event()

    def load():
        while not stop.is_set():
            reply = client.post("/recommend", json=ASK)
            replies.append((reply.status_code, str([one["item"] for one in reply.json()["items"]])))

    threads = [threading.Thread(target=load) for _ in range(3)]
    for one in threads:
        one.start()
    try:
        yield
    finally:
        stop.set()
        for one in threads:
            one.join()


@pytest.mark.slow
def test_no_request_is_lost_while_exports_come_and_a_damaged_one_is_refused(client, folder):
    def loaded():
        return client.get("/ready").json()["export"]

    replies: list[tuple] = []
    with asked_all_the_time(client, replies):
        first = loaded()
        put(folder, folder / "other/export")
        wait(lambda: loaded() != first)
        second, before = loaded(), len(replies)
        wait(lambda: len(replies) > before + 20)
        put(folder, folder / "out/export", damage="item_map.csv")
        refused = client.post("/reload", headers=TOKEN)
        assert (refused.status_code, loaded()) == (409, second)
        assert "item_map.csv: differs from its checksum" in refused.json()["error"]
        put(folder, folder / "out/export")
        swapped = client.post("/reload", headers=TOKEN)
        assert (swapped.status_code, loaded()) == (200, swapped.json()["export"])
        before = len(replies)
        wait(lambda: len(replies) > before + 20)
    assert {status for status, _ in replies} == {200}
    assert len({items for _, items in replies}) == 2  # those of the two models
    told = client.get("/metrics").text
    assert 'exports_total{outcome="refused"}' in told
    assert 'exports_total{outcome="swapped"}' in told


def test_a_process_that_dies_is_started_again(client):
    os.kill(client.watched.worker.process.pid, signal.SIGKILL)
    reply = client.post("/recommend", json=ASK)
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert "is being opened" in reply.json()["error"]
    assert client.get("/health").status_code == 200
    assert client.get("/ready").status_code == 503
    wait(lambda: client.get("/ready").status_code == 200)
    assert client.post("/recommend", json=ASK).status_code == 200


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="tells who forked a process")
def test_a_process_whose_forker_dies_is_replaced_and_ends(client):
    """Nothing is known of it any more, so another one answers; it must not stay beside that, with a model in memory."""
    before = client.watched.worker.process.pid
    with open(f"/proc/{before}/stat", encoding="ascii") as file:
        forker = int(file.read().rpartition(")")[2].split()[1])
    assert forker != os.getpid()
    os.kill(forker, signal.SIGKILL)
    wait(lambda: client.watched.worker and client.watched.worker.process.pid != before)
    assert client.post("/recommend", json=ASK).status_code == 200
    wait(lambda: not os.path.isdir(f"/proc/{before}"))


def test_what_happened_is_counted(client):
    client.post("/recommend", json={"history": ["new", "i1"]})
    client.post("/recommend", json={"history": [], "allow": []})
    client.post("/recommend", json={"histories": []})
    lines = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line[0] != "#")
    assert float(lines['requests_total{path="recommend",status="200"}']) > 0
    assert float(lines['requests_total{path="recommend",status="400"}']) > 0
    assert float(lines['request_seconds_bucket{le="+Inf",path="recommend"}']) > 0
    assert float(lines["unknown_items_total"]) >= 1
    assert float(lines["empty_lists_total"]) >= 1
    assert float(lines["popular_lists_total"]) >= 1
    assert lines["ready"] == "1.0"


def test_reload_without_a_token_is_nobodys(folder):
    from starlette.testclient import TestClient

    from tools.serving.web import Web

    reply = TestClient(Web(watched=Watched(folder=folder / "served")).app()).post("/reload", headers=TOKEN)
    assert (reply.status_code, "SERVE_TOKEN" in reply.json()["error"]) == (403, True)


@pytest.mark.parametrize("words, message", [
    (["{folder}/nowhere"], "no config.yaml here"), (["{folder}/served", "--pause", "-1"], "--pause -1.0: out of range"),
    (["{folder}/served", "--host", "256.0.0.1"], "nothing can listen at 256.0.0.1"),
    (["{folder}/served", "--port", "99999"], "nothing can listen"),
    (["{folder}/served", "--allow", "none.txt"], "none.txt"),
])  # fmt: skip
def test_the_command_says_what_it_cannot(folder, words, message, capsys):
    with pytest.raises(SystemExit) as end:
        serve.main(["--port", str(free_port()), *(one.format(folder=folder) for one in words)])
    err = capsys.readouterr().err
    assert (end.value.code, message in err, "Traceback" in err) == (2, True, False), err


def test_without_the_packages_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    with pytest.raises(UserError, match=r"needs an extra; install it with: pip install '.\[serve\]'"):
        serve.open_web()
