"""The door: python -m seq_gym.evaluate."""

import sys

from seq_gym.evaluate.cli import main

if __name__ == "__main__":
    sys.exit(main())
