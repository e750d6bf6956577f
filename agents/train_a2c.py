"""Train A2C (Mnih et al. 2016): PPO's simpler ancestor, one gradient step a rollout.

    python -m agents.train_a2c configs/a2c-synthetic.toml [--set key=value] [--resume runs/<id>]

It takes one step on the whole rollout and throws it away, so short rollouts of many environments
suit it. Cheaper a step than PPO, and usually in need of more of them.
"""

import sys

from seq_gym.train import main

if __name__ == "__main__":
    sys.exit(main("a2c"))
