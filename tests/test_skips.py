"""A skip that nobody listed fails CI, whoever runs the test: pytest itself or its workers."""

import os
import shutil
import subprocess
import sys

import pytest
from paths import ROOT

SKIP = "import pytest\ndef test_one(): pytest.skip('no GPU')\ndef test_other(): pass\n"
WHOLE = "import pytest\npytest.skip('no package', allow_module_level=True)\n"
TOLD = "skipped, and not listed in tests/skips.txt:"


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["alone", "workers"])
@pytest.mark.slow
def test_a_skip_that_is_not_listed_fails_ci(workers, tmp_path):
    shutil.copy(ROOT / "tests/skip_list.py", tmp_path)
    (tmp_path / "conftest.py").write_text("pytest_plugins = ['skip_list']\n")
    (tmp_path / "skips.txt").write_text("# why\ntest_listed.py::test_one\tno GPU\n")
    for name, text in (("listed", SKIP), ("test", SKIP), ("whole", WHOLE)):
        (tmp_path / f"test_{name}.py").write_text(text)

    def run(*names):
        words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", ".", *workers, *names]
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
        environment = kept | {"PYTHONPATH": str(tmp_path), "CI": "true", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    assert run("test_listed.py")[0] == 0
    code, out = run("test_listed.py", "test_test.py", "test_whole.py")
    assert code == 1
    assert out[out.index(TOLD) :].split("\n")[1:3] == ["  test_test.py::test_one", "  test_whole.py"]
