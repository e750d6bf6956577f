"""A small run that the tests of training share, and one thread of torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.train.runs import small


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """The machines of tests are small, and several tests run at once."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished run with a normaliser and scaled features, on index observations."""
    from seq_gym.train import NormalizeConfig, train

    config = small(
        tmp_path_factory.mktemp("runs"),
        normalize=NormalizeConfig(observations=True, rewards=True, scale_features=True),
        env_settings={"look_back": 6, "observation": "index"},
    )
    return train(config, command=["python", "-m", "agents.train_ppo", "x.toml"])
