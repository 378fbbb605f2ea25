"""The steps of the Dockerfile without Docker: what it copies is enough to serve, and its health check asks that."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request

import exports
import pytest
from paths import ROOT
from ports import free_port

pytestmark = pytest.mark.extras


def instructions(word):
    """The arguments of the Dockerfile's lines that begin with a word."""
    return re.findall(rf"^{word} (.*)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_service_runs_from_what_is_copied_as_the_container_runs_it(tmp_path):
    (tmp_path / "made").mkdir()
    exports.make_two(tmp_path / "made")
    shutil.copytree(tmp_path / "made/other/export", tmp_path / "exports/export")
    app = tmp_path / "app"
    for words in map(str.split, instructions("COPY")):
        for source in words[:-1]:
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            target = app / words[-1] if copy is shutil.copytree else app / words[-1] / os.path.basename(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            copy(ROOT / source, target)
    port = str(free_port())
    entry, check = (
        json.loads(re.search(r"\[.*\]", one)[0]) for one in instructions("(?:ENTRYPOINT|HEALTHCHECK)")[::-1]
    )
    words = [str(tmp_path / one[1:]) if one.startswith("/exports") else one.replace("8000", port) for one in entry[1:]]
    words += json.loads(instructions("CMD")[0])
    environment = os.environ | {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    with subprocess.Popen([sys.executable, *words], cwd=app, env=environment, stderr=subprocess.PIPE) as process:
        try:
            told = []
            while not told or b"serving at http://0.0.0.0" not in told[-1]:
                told.append(process.stderr.readline())
                assert told[-1], "it ended"
            assert b"Warning" not in b"".join(told)
            asks = [sys.executable, *(one.replace("8000", port) for one in check[1:])]
            assert subprocess.run(asks, env=environment, check=False).returncode == 0
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            body = json.dumps({"history": ["i1"], "top_n": 3}).encode()
            reply = opener.open(urllib.request.Request(f"http://127.0.0.1:{port}/recommend", body), timeout=20)
            assert len(json.load(reply)["items"]) == 3
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) in (0, -signal.SIGTERM)
            assert subprocess.run(asks, env=environment, check=False, stderr=subprocess.DEVNULL).returncode != 0
        finally:
            process.kill()


def test_the_container_runs_as_nobody_in_particular_and_is_small():
    assert instructions("FROM") == ["python:3.11-slim"]
    assert instructions("USER") == ["service"]
    copied = {word for line in instructions("COPY") for word in line.split()[:-1]}
    assert copied == {"pyproject.toml", "README.md", "requirements/extras.txt", "models", "tools"}
