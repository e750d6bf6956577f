"""What all tests share: the real data beside the project, and hypothesis without deadlines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The first call of a kernel compiles it: a deadline would blame the wrong example.
settings.register_profile(
    "seq_gym", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("seq_gym")

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def sessions_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Save sessions beside the tests' other files; processes that a test starts inherit it."""
    path = tmp_path_factory.mktemp("sessions") / "sessions.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIM_SESSIONS_PATH", str(path))
        yield path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real market data; it may not be redistributed, so it is not in the project."""
    if not (_SHARED / "candles").is_dir():
        pytest.skip("the real market data (../shared/data) is not on this machine")
    return _SHARED
