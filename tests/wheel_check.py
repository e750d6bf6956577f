"""What a user of the bare wheel has: every environment steps, without an extra installed.

Not collected by pytest: `make wheel` runs it in an environment that holds the wheel alone.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import gymnasium

import seq_gym

if Path(seq_gym.__file__).is_relative_to(Path(__file__).parents[1] / "seq_gym"):
    sys.exit("seq_gym must be the installed wheel; was the source tree. Run `make wheel`.")
extras = [name for name in ("matplotlib", "pytest", "torch") if importlib.util.find_spec(name)]
if extras:
    sys.exit(f"The environment must hold no extras; held {', '.join(extras)}. Run `make wheel`.")

ids = [name for name in gymnasium.registry if name.startswith("seq_gym/")]
if not ids:
    sys.exit("`import seq_gym` must register environments; none was.")
for name in ids:
    env = gymnasium.make(name)
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(3):
        env.step(env.action_space.sample())
    env.close()
sys.stdout.write(f"wheel {seq_gym.__version__}: {', '.join(ids)} step without extras\n")
