"""How the checkout becomes one package, `multi_interest`, so that installing it leaves `models`, `tools` … to others.

Example: pip install .

Folders keep their places in the checkout. While building they come under `multi_interest`, and what names them in the
code is written anew: `from tools.common import ranks` is `from multi_interest.tools.common import ranks` there, and
`python -m tools.serve` in a message `python -m multi_interest.tools.serve`.
"""

import ast
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel
from setuptools.errors import OptionError

NAME = "multi_interest"
FOLDERS, SCRIPTS = ("models", "tools"), ("reader", "trainer", "infer")
DATA = ["*.css", "*.js"]  # files that are no modules
OURS = "|".join(FOLDERS + SCRIPTS)
RENAMED = (  # pattern -> what stands there in the package
    (re.compile(rf"^(\s*from )({OURS})(?=(?:\.\w+)* import )", re.M), rf"\1{NAME}.\2"),
    (re.compile(rf"^(\s*)import ({OURS})(?= *(#|$))", re.M), rf"\1from {NAME} import \2"),
    (re.compile(rf"-m ({'|'.join(FOLDERS)})\."), rf"-m {NAME}.\1."),
    (re.compile(rf"python ({'|'.join(SCRIPTS)})\.py"), rf"python -m {NAME}.\1"),
)


def renamed(text, path) -> str:
    """The text of a module as it stands in the package.

    Raises:
        ValueError: where it imports one of ours in a form that is not rewritten.
    """
    for pattern, ours in RENAMED:
        text = pattern.sub(ours, text)
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else [node.module]
            if any(re.match(rf"({OURS})(\.|$)", one or "") for one in names):
                raise ValueError(f"{path}:{node.lineno}: imports {names[0]} in a form that the build does not know")
    return text


class Build(build_py):
    """Copies modules and scripts under one name and rewrites what names them."""

    def run(self):
        """Begin anew: what an earlier build left would be part of the package."""
        shutil.rmtree(Path(self.build_lib) / NAME, ignore_errors=True)
        super().run()

    def find_modules(self):
        """The scripts, which are modules of the package."""
        return [(NAME, module, path) for _, module, path in super().find_modules()]

    def build_module(self, module, module_file, package):
        """Copy a module, rewritten."""
        written, copied = super().build_module(module, module_file, package)
        Path(written).write_text(renamed(Path(module_file).read_text("utf-8"), module_file), "utf-8")
        return written, copied


class Editable(editable_wheel):
    """What is edited is the checkout, where nothing is rewritten: it is used from there."""

    def run(self):
        """Refuse."""
        raise OptionError(
            "no editable install: the checkout runs as it is, from its own folder. For its dependencies: pip install "
            "-r requirements/core.txt; for the package multi_interest: pip install ."
        )


if __name__ == "__main__":
    inner = find_packages(include=[f"{one}{below}" for one in FOLDERS for below in ("", ".*")])
    setup(
        packages=[NAME, *(f"{NAME}.{one}" for one in inner)],
        package_dir={f"{NAME}.{one}": one for one in FOLDERS},
        package_data={f"{NAME}.{one}": DATA for one in inner},
        py_modules=SCRIPTS,
        cmdclass={"build_py": Build, "editable_wheel": Editable},
    )
