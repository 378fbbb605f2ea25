"""Every command tells an example that its own parser takes, and ends with the code of who is at fault."""

import argparse
import ast
import importlib
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from messages import without_log
from paths import ROOT

from benchmarks.quality import measure, results
from models import MODELS
from tools.common.errors import UserError, command
from tools.training.settings import load_settings

SOURCES = sorted(path for pattern in ("*.py", "tools/**/*.py", "benchmarks/**/*.py") for path in ROOT.glob(pattern))
SOURCES.remove(ROOT / "setup.py")  # which pip runs


def functions(path):
    """Name -> names of the decorators, of a file's functions."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    return {
        node.name: [ast.unparse(one) for one in node.decorator_list]
        for node in nodes
        if isinstance(node, ast.FunctionDef)
    }


# Module names: `trainer`, `tools.predict`, …
COMMANDS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in SOURCES if "main" in functions(path)
}


class Parsed(BaseException):
    """Ends a command after its command line is read."""


@pytest.fixture
def parse(monkeypatch):
    """`parse("tools.predict", ["export"])`: what the command's own parser makes of a command line, without running."""
    ways = {name: getattr(argparse.ArgumentParser, name) for name in ("parse_args", "parse_intermixed_args")}

    def stopped(whole):
        def stop(parser, *args):
            raise Parsed(whole(parser, *args))

        return stop

    def call(name, argv):
        with monkeypatch.context() as patch:
            for way, whole in ways.items():
                patch.setattr(argparse.ArgumentParser, way, stopped(whole))
            try:
                importlib.import_module(name).main(argv)
            except Parsed as end:
                return end.args[0]

    return call


def printed_help(name, capsys, *argv):
    with pytest.raises(SystemExit) as end:
        importlib.import_module(name).main([*argv, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


def commands_in(lines):
    """`(module, its arguments)` of the lines that run Python."""
    for line in lines:
        words = shlex.split(re.sub(r"[<>|&].*", "", line))
        first = next(n for n, word in enumerate(words) if "=" not in word)  # OPENBLAS_CORETYPE=… stands before
        if words[first] == "python":
            name, *argv = words[first + 1 :]
            yield (argv[0], argv[1:]) if name == "-m" else (name.removesuffix(".py"), argv)


def check_parses(parse, name, argv):
    args = parse(name, argv)
    assert args is not None, (name, argv)
    if getattr(args, "config_yaml", None):  # -o takes any text, so look at the keys and values too
        known = ROOT / args.config_yaml
        load_settings(known if known.is_file() else ROOT / "config.yaml", args.opt, MODELS)


def test_commands_are_what_python_runs():
    assert {"trainer", "infer", "tools.preprocess", "tools.predict", "benchmarks.quality.measure"} <= COMMANDS.keys()
    for path in SOURCES:
        runs = '__name__ == "__main__"' in path.read_text(encoding="utf-8")
        assert runs == (path in COMMANDS.values()), path


@pytest.mark.parametrize("name", COMMANDS)
def test_main_ends_with_the_code_of_who_is_at_fault(name):
    assert functions(COMMANDS[name])["main"] == ["command"]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_examples_that_parse(name, parse, capsys):
    examples = re.findall(r"^Example: (.*)", printed_help(name, capsys), flags=re.M)
    assert examples
    ours = list(commands_in(examples))
    assert [one for one, _ in ours] == [name] * len(examples)
    for _, argv in ours:
        check_parses(parse, name, argv)


@pytest.mark.parametrize("source", ["movielens-100k", "sequences", "table", "amazon", "taobao"])
def test_a_source_s_own_help_shows_its_example(source, capsys):
    assert f"Example: python -m tools.preprocess {source}" in printed_help("tools.preprocess", capsys, source)


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))])
def test_commands_in_the_readme_and_the_pages_parse(page, parse):
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```.*?\n(.*?)```", text, flags=re.S)).replace("$w", "0.1").replace("$model", "mind")
    lines = re.findall(r"(?:^|\| )\s*(python .*)", blocks, flags=re.M)
    ours = [(name, argv) for name, argv in commands_in(lines) if name in COMMANDS]
    assert len({name for name, _ in ours}) > 5 or page != "README.md"
    for name, argv in ours:
        check_parses(parse, name, argv)


@pytest.mark.parametrize("name", COMMANDS)
def test_an_unknown_option_ends_with_code_2_and_no_traceback(name, capsys):
    with pytest.raises(SystemExit) as end:
        importlib.import_module(name).main(["--no_such_option"])
    assert end.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "error, code, told",
    [
        (UserError("x: wrong; correct it"), 2, "error: x: wrong; correct it\n"),
        (KeyboardInterrupt(), 130, ""),
        (SystemExit(5), 5, ""),
        (OSError(28, "No space left on device"), 2, "error: no space is left on the device"),
    ],
)
def test_what_a_command_tells_at_its_end(error, code, told, capfd, tmp_path, monkeypatch):
    output = open(tmp_path / "out", "w")  # noqa: SIM115, which a command may close for good, and not pytest's own
    monkeypatch.setattr(sys, "stdout", output)

    @command
    def main():
        raise error

    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == code
    err = capfd.readouterr().err
    assert err.startswith(told)
    assert err.count("\n") == bool(told)


def run(*argv, **options):
    return subprocess.run([sys.executable, *map(str, argv)], cwd=ROOT, capture_output=True, text=True, **options)


def test_codes_0_and_2_of_a_process(tmp_path):
    (tmp_path / "log.txt").write_text("u a b c\nv a b c\nw a b c\n")
    output = tmp_path / "data"
    argv = ["-m", "tools.preprocess", "sequences", tmp_path / "log.txt", "--output", output, "--min-count", "1"]
    done = run(*argv)
    assert (done.returncode, without_log(done.stderr)) == (0, "")
    assert "3 users" in done.stdout
    (tmp_path / "log.txt").unlink()
    done = run(*argv)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: .*log\.txt: cannot be read .*\n", done.stderr)


def test_our_fault_is_code_1_a_traceback_and_how_to_report_it():
    code = "from tools import preprocess; preprocess._read = None; preprocess.main(['movielens-100k'])"
    done = run("-c", code)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):")
    *_, cause, last = done.stderr.splitlines()
    assert cause == "TypeError: 'NoneType' object is not callable"
    assert shlex.quote(code) in last
    assert last.startswith("error: this is our fault, not yours; please report it with all of the above and: ")


def test_ctrl_c_is_code_130_without_a_traceback(tmp_path):
    os.mkfifo(tmp_path / "log.txt")
    argv = [sys.executable, "-m", "tools.preprocess", "sequences", tmp_path / "log.txt", "--output", tmp_path / "data"]
    process = subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE)
    with open(tmp_path / "log.txt", "wb"):  # waits until the command reads
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert (process.returncode, err) == (130, b"")


@pytest.mark.parametrize("size", [1, 10**6])  # in the buffer until the end, and beyond it
def test_a_closed_pipe_is_no_fault(size):
    code = f"from tools.common.errors import command\nmain = command(lambda: print('x' * {size}))\ninput()\nmain()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, **pipes)
    process.stdout.close()
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_device_is_the_user_s_to_mend():
    code = "from tools.common.errors import command\ncommand(lambda: print('x'))()"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no space is left")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "content, message",
    [
        ('{"resolved": {}}\nnoise\n', "r.jsonl:2: 'noise' is not a row"),
        (None, "r.jsonl: cannot be written (Is a directory)"),
    ],
)
def test_quality_looks_at_its_results_before_it_trains(content, message, tmp_path, monkeypatch, capsys):
    path = tmp_path / "r.jsonl"
    path.write_text(content) if content else path.mkdir()
    monkeypatch.setattr(results, "file", lambda: path)
    monkeypatch.delattr(measure, "run_once")
    with pytest.raises(SystemExit) as end:
        measure.main(["--dataset", "amazon-beauty"])
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
