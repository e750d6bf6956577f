"""The door: python -m seq_gym.backtest."""

import sys

from seq_gym.backtest.cli import main

if __name__ == "__main__":
    sys.exit(main())
