"""A fresh virtual environment with what a user would install in it: our wheel, perhaps a stranger's."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD_BACKEND = "setuptools>=77"
NOT_SOURCE = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")


class Unavailable(Exception):  # noqa: N818 (a state of this machine, not an error)
    """Why packages cannot be installed here, in one sentence."""


def make_environment(folder: Path, *projects: Path) -> Path:
    """Build a wheel of each project, install them with all they depend on, return the folder of programs.

    Raises Unavailable where no package index can be reached, and CalledProcessError when building or installing fails.
    """
    index_reached = subprocess.run(_pip("download", "--no-deps", f"--dest={folder}", BUILD_BACKEND), check=False)
    if index_reached.returncode:
        raise Unavailable(f"a fresh environment needs a package index, and pip cannot download {BUILD_BACKEND}")
    wheels = folder / "wheels"
    for project in projects:
        # In a copy, because setuptools builds in the tree, and takes what an earlier build left there.
        copy = shutil.copytree(project, folder / "source" / project.name, symlinks=True, ignore=NOT_SOURCE)
        subprocess.run(_pip("wheel", "--no-deps", f"--wheel-dir={wheels}", str(copy)), check=True)
    environment = folder / "environment"
    venv.create(environment)
    built = [str(wheel) for wheel in wheels.iterdir()]
    subprocess.run(_pip(f"--python={environment}", "install", *built), check=True)
    return environment / "bin"


def _pip(*words: str) -> list[str]:
    return [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", *words]
