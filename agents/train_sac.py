"""Train SAC (Haarnoja et al. 2018) on target weights: `continuous`, or a portfolio's.

    python -m agents.train_sac configs/sac-synthetic.toml [--set key=value] [--resume runs/<id>]

It learns a stochastic policy and two critics from a replay buffer, and how much to explore. As with
DQN, index observations keep the buffer small.
"""

import sys

from seq_gym.train import main

if __name__ == "__main__":
    sys.exit(main("sac"))
