"""Train DQN (Mnih et al. 2015) on choices: `action = "discrete"` or `"ladder"`.

    python -m agents.train_dqn configs/dqn-synthetic.toml [--set key=value] [--resume runs/<id>]

It learns the value of each choice from a replay buffer. Index observations keep that buffer small:
a step stores a cursor and the portfolio, not the window, and the network gathers windows itself.
`train_freq` and `gradient_steps` count steps of all environments at once.
"""

import sys

from seq_gym.train import main

if __name__ == "__main__":
    sys.exit(main("dqn"))
