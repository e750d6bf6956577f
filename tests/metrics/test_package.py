"""The face of the package."""

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import seq_gym.metrics as metrics

MODULES = [name for _, name, _ in pkgutil.iter_modules(metrics.__path__, "seq_gym.metrics.")]


def test_every_public_name_exists_and_the_list_is_sorted():
    assert all(hasattr(metrics, name) for name in metrics.__all__)
    assert metrics.__all__ == sorted(metrics.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_are_true(name):
    module = importlib.import_module(name)
    failures, _ = doctest.testmod(module)
    assert failures == 0
    assert set(module.__all__) <= set(vars(module))


def test_metrics_need_nothing_but_numpy():
    heavy = {"scipy", "pandas", "polars", "torch", "matplotlib", "numba", "gymnasium"}
    # The package's own __init__ brings the environments: the layer is tried without it.
    script = (
        "import sys, types; root = types.ModuleType('seq_gym'); root.__path__ = ['seq_gym']; "
        "sys.modules['seq_gym'] = root; import seq_gym.metrics; "
        f"sys.exit(bool({heavy!r} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
