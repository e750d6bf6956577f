"""The door: python -m seq_gym.data."""

import sys

from seq_gym.data.cli import main

if __name__ == "__main__":
    sys.exit(main())
