"""Train PPO (Schulman et al. 2017): the first thing to try, with any kind of action.

    python -m agents.train_ppo configs/ppo-btc-1m.toml [--set key=value] [--resume runs/<id>]
    python -m agents.train_ppo configs/ppo-maker-synthetic.toml    # a maker on an order book

It collects `n_steps` from each of `num_envs` environments, then learns from them in minibatches for
`n_epochs`. 256 environments and minibatches of 2,048 keep two cores in matrix products; SB3's own
defaults, 8 and 64, leave them waiting for Python. The best model on validation, by Sharpe ratio, is
what `python -m seq_gym.evaluate --agent runs/<id>` takes to the test range.
"""

import sys

from seq_gym.train import main

if __name__ == "__main__":
    sys.exit(main("ppo"))
