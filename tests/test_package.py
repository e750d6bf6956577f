"""The package as a whole: what importing costs, what it exports, what the wheel and pins hold."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import seq_gym

ROOT = Path(__file__).parents[1]
BASELINE = "import gymnasium, numba, polars"
COST_FACTOR = 1.5
TORCH_PIN = "torch==2.13.0"

# Torch, web servers, pydantic, scipy.stats, command-line parsers: and what draws them in.
FORBIDDEN_AT_IMPORT = {
    "torch", "stable_baselines3", "tensorboard",
    "aiohttp", "fastapi", "flask", "http.server", "socketserver", "starlette", "uvicorn",
    "pydantic", "pydantic_core",
    "scipy.stats", "scipy.optimize",
    "argparse", "click", "docstring_parser", "optparse", "typer", "tyro",
    "matplotlib", "pandas", "pyarrow", "rich", "tqdm",
}  # fmt: skip

MODULES = sorted(
    {"seq_gym"} | {found.name for found in pkgutil.walk_packages(seq_gym.__path__, "seq_gym.")}
)


def run_python(code: str) -> str:
    """Run code in a fresh interpreter from the root, with the kernels as users have them."""
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_DISABLE_JIT"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def import_seconds(statement: str) -> float:
    """Processor time of one import: another process on the machine does not change it."""
    code = f"import time; t = time.process_time(); {statement}; print(time.process_time() - t)"
    return float(run_python(code))


def requirements() -> list[str]:
    """Every requirement line of pyproject.toml: core and extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    return [*project["dependencies"], *(line for extra in extras for line in extra)]


def pins() -> dict[str, str]:
    """The pinned versions, by normalised name."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {normalised(name): version for name, version in pairs}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_importing_costs_at_most_half_more_than_gymnasium_numba_and_polars() -> None:
    pairs = [(import_seconds(BASELINE), import_seconds("import seq_gym")) for _ in range(5)]
    baseline, ours = (min(column) for column in zip(*pairs, strict=True))
    assert ours <= COST_FACTOR * baseline, f"{ours:.3f} s is {ours / baseline:.2f} x {baseline:.3f}"


def test_importing_pulls_in_nothing_heavy() -> None:
    code = "import json, sys; import seq_gym; print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(run_python(code)))
    assert "seq_gym" in loaded
    assert not loaded & FORBIDDEN_AT_IMPORT


@pytest.mark.parametrize("name", MODULES)
def test_every_name_in_all_exists_once(name: str) -> None:
    if name.endswith("__main__"):
        return
    module = importlib.import_module(name)
    names = list(getattr(module, "__all__", ()))
    assert len(names) == len(set(names))
    assert [each for each in names if not hasattr(module, each)] == []


def test_the_package_names_what_it_exports() -> None:
    assert seq_gym.__all__
    public = {name for name in vars(seq_gym) if not name.startswith("_")}
    modules = {name for name in public if isinstance(vars(seq_gym)[name], type(seq_gym))}
    assert public - modules - {"annotations"} <= set(seq_gym.__all__)


def test_the_version_is_the_installed_one() -> None:
    try:
        installed = importlib.metadata.version("seq-gym")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("seq_gym runs from the source tree here, it is not installed: see the README")
    assert seq_gym.__version__ == installed


def test_the_wheel_holds_the_whole_of_seq_gym_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling, of the dev extra, builds the wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    info = f"seq_gym-{seq_gym.__version__}.dist-info/"
    held = {name for name in names if not name.startswith(info)}
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "seq_gym").rglob("*.py")}
    assert held == sources | {"seq_gym/py.typed"}
    assert f"{info}licenses/LICENSE" in names


def test_every_requirement_is_pinned_in_the_constraints() -> None:
    named = {normalised(re.split(r"[\[<>=!~; ]", line)[0]) for line in requirements()}
    assert named - {"seq-gym"} <= set(pins())


def test_the_constraints_are_plain_public_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    plain = re.compile(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*")
    assert [line for line in pinned if not plain.fullmatch(line)] == []
    assert TORCH_PIN in pinned
    assert pinned == sorted(pinned, key=str.lower)


@pytest.mark.parametrize("page", ["README.md", "Makefile"])
def test_every_install_is_constrained_and_names_torch_before_what_wants_it(page: str) -> None:
    text = (ROOT / page).read_text("utf-8").replace("$(TORCH)", TORCH_PIN)
    installs = re.findall(r"(?:pip install|PIP_INSTALL\)).*-e .*", text)
    assert installs
    for line in installs:
        assert "-c constraints.txt" in line or line.startswith("PIP_INSTALL)"), line
        if re.search(r"\b(dev|train)\b", line):
            assert TORCH_PIN in line.split("-e ")[0], line
