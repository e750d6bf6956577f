"""Train PPO with masks (Huang and Ontanon 2022) on orders: `action = "order"`.

    python -m agents.train_maskable_ppo configs/maskable-ppo-synthetic.toml [--set key=value] \
        [--resume runs/<id>]

The policy never samples an order that could do nothing, such as a stop without a position: the
environment says which choices can do anything, for all rows in one call. Needs sb3-contrib, which
the extra `train` brings.
"""

import sys

from seq_gym.train import main

if __name__ == "__main__":
    sys.exit(main("maskable_ppo"))
