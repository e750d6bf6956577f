"""The compile cache knows every source that is compiled into a kernel."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import seq_gym
from seq_gym import _jit

ROOT = Path(seq_gym.__file__).parent


def test_every_file_with_kernels_is_in_the_digest_of_the_compile_cache() -> None:
    covered = {path for pattern in _jit._KERNEL_FILES for path in ROOT.glob(pattern)}
    decorated = re.compile(r"^@(kernel|helper|inlined)$", re.MULTILINE)
    kernels = {path for path in ROOT.rglob("*.py") if decorated.search(path.read_text())}
    assert kernels
    assert kernels <= covered


def test_kernels_are_cached_under_the_digest_of_their_sources() -> None:
    if _jit.COMPILED:
        assert _jit._sources_digest() in _jit._CACHE_FOLDER


def test_plain_python_and_compiled_kernels_give_the_same_numbers_to_the_bit() -> None:
    script = (
        "import gymnasium, seq_gym, hashlib, numpy as np\n"
        "env = gymnasium.make('seq_gym/CandleTrading-v0', action='order', episode_steps=60,"
        " look_back=5, randomize={'fee_scale': [0.5, 2.0]},"
        " data=seq_gym.synthetic_candles(('BTCUSDT',), num_candles=400, seed=3))\n"
        "env.action_space.seed(1)\n"
        "observation, _ = env.reset(seed=1)\n"
        "digest = hashlib.sha256(observation.tobytes())\n"
        "for _ in range(60):\n"
        "    observation, reward, *_ = env.step(env.action_space.sample())\n"
        "    digest.update(observation.tobytes() + np.float64(reward).tobytes())\n"
        "print(digest.hexdigest(), len(env.unwrapped.session.fills()))\n"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            text=True,
            env={"NUMBA_DISABLE_JIT": disabled, "PYTHONPATH": str(ROOT.parent), "HOME": "."},
        ).stdout
        for disabled in ("0", "1")
    ]
    assert answers[0] == answers[1]
    assert int(answers[0].split()[1]) > 3
