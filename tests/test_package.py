"""`pip install .`: one package of its own name, which does from anywhere what the checkout does."""

import os
import shutil
import subprocess
import sys

import pytest
from paths import ROOT

import setup

SOURCES = [path for folder in (*setup.FOLDERS, setup.NAME) for path in sorted((ROOT / folder).rglob("*.py"))]
SOURCES += [ROOT / f"{name}.py" for name in setup.SCRIPTS]
COPIED = [*setup.FOLDERS, setup.NAME, *(f"{name}.py" for name in ("setup", *setup.SCRIPTS))]
COPIED += ["pyproject.toml", "README.md", "LICENSE"]

USED = """
import random
import sys

from multi_interest.api import fit, load, prepare
from multi_interest.infer import main as infer
from multi_interest.tools.common.errors import UserError
from multi_interest.trainer import main as train

import polars

rng = random.Random(0)
rows = [(f"u{user}", rng.randrange(30), time) for user in range(60) for time in range(12)]
log = polars.DataFrame(rows, schema=["uid", "sku", "ts"], orient="row")
data = prepare(log, user="uid", item="sku", time="ts", output="data")
options = {"embedding_dim": 4, "neg_samples": 10, "top_n": [5], "best_metric": "recall@5", "num_workers": 2}
model = fit(data, "mind", epochs=1, output="output", **options)
expected = model.recommend([[3, 1, 4]], top_n=3)["item"].to_list()
model.export("export")
for folder in ("export", "output"):
    assert load(folder).recommend([[3, 1, 4]], top_n=3)["item"].to_list() == expected
yaml = ["-m", "output/best/config.yaml", "-o", "runner.overwrite=true"]  # which names the module `reader`
train([*yaml, "runner.model_save_path=again"])
infer([*yaml, "runner.model_save_path=again"])
print(sorted({name.partition(".")[0] for name in sys.modules} & {"models", "tools", "reader", "trainer", "infer"}))
"""


@pytest.mark.parametrize(
    "written, expected",
    [
        ("from tools.common import ranks\n", "from multi_interest.tools.common import ranks\n"),
        ("def f():\n    from models import MODELS\n", "def f():\n    from multi_interest.models import MODELS\n"),
        ("import reader  # why\n", "from multi_interest import reader  # why\n"),
        ("print('python -m tools.serve X')\n", "print('python -m multi_interest.tools.serve X')\n"),
        ("'''python trainer.py -m config.yaml'''\n", "'''python -m multi_interest.trainer -m config.yaml'''\n"),
        ("from toolsmith import x\nimport readers\n'''from tools that cut'''\n",) * 2,
    ],
)  # fmt: skip
def test_what_names_ours_is_rewritten_and_nothing_else(written, expected):
    assert setup.renamed(written, "file") == expected
    assert setup.renamed(expected, "file") == expected


@pytest.mark.parametrize("written", ["import tools.common\n", "import os, reader\n", "from tools \\\n import api\n"])
def test_a_form_that_is_not_known_ends_the_build(written):
    with pytest.raises(ValueError, match=r"file:1: imports .* in a form that the build does not know"):
        setup.renamed(written, "file")


def test_every_module_can_be_rewritten():
    for path in SOURCES:
        setup.renamed(path.read_text(encoding="utf-8"), path)


def run(*words, **options):
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of an installation, made of a copy of the checkout, without a package index."""
    folder = tmp_path_factory.mktemp("package")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    options = ["--no-deps", "--no-index", "--disable-pip-version-check"]
    left = folder / "build/lib/multi_interest/tools/left.py"  # by a build of another day
    left.parent.mkdir(parents=True)
    left.touch()
    run("-m", "pip", "wheel", *options, "--no-build-isolation", "--wheel-dir", folder / "dist", folder)
    (wheel,) = (folder / "dist").iterdir()
    run("-m", "pip", "install", *options, "--target", folder / "site", wheel)
    return folder / "site"


@pytest.mark.extras
def test_an_installation_has_one_name(installed):
    names = {path.name for path in installed.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"multi_interest"}
    found = {path.relative_to(installed / "multi_interest").as_posix() for path in installed.rglob("*.py")}
    assert found == {path.relative_to(ROOT).as_posix().removeprefix("multi_interest/") for path in SOURCES}
    assert (installed / "multi_interest/tools/views/explorer.css").is_file()
    ours = [
        path for folder in setup.FOLDERS for path in (ROOT / folder).rglob("*.*") if "__pycache__" not in path.parts
    ]
    assert all((installed / "multi_interest" / path.relative_to(ROOT)).is_file() for path in ours)


@pytest.mark.extras
def test_an_installation_works_from_anywhere_and_leaves_the_names_of_the_checkout_to_others(installed, tmp_path):
    (tmp_path / "reader.py").write_text("raise SystemExit('another reader')")
    (tmp_path / "use.py").write_text(USED)
    environment = os.environ | {"PYTHONPATH": str(installed)}
    printed = run("use.py", cwd=tmp_path, env=environment)
    assert printed.splitlines()[-1] == "[]"
    told = run("-m", "multi_interest.tools.predict", "--help", cwd=tmp_path, env=environment)
    assert "Example: python -m multi_interest.tools.predict" in told
    assert "Example: python -m multi_interest.trainer -m config.yaml" in run(
        installed / "multi_interest/trainer.py", "--help", cwd=tmp_path, env=environment
    )
