"""Many episodes, honest statistics: `python -m seq_gym.evaluate`, or `evaluate(config)`."""

from seq_gym.evaluate.evaluation import EvaluationResult, evaluate
from seq_gym.evaluate.folder import write_run_folder
from seq_gym.evaluate.settings import EvaluateBookConfig, EvaluateConfig
from seq_gym.sandbox.params import PHYSICS_VERSION

__all__ = [
    "PHYSICS_VERSION",
    "EvaluateBookConfig",
    "EvaluateConfig",
    "EvaluationResult",
    "evaluate",
    "write_run_folder",
]
