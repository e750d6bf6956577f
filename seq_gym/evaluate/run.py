"""Run all episodes of all agents, in this process or in several, and keep what was finished."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import pickle
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from seq_gym.errors import ConfigError, SeqGymError
from seq_gym.evaluate.agents import AgentSpec, blame
from seq_gym.evaluate.episode import Episode
from seq_gym.evaluate.ground import Ground
from seq_gym.evaluate.rollout import Rollout

__all__ = ["Job", "Progress", "run_episodes"]

Progress = Callable[[int, int, str], None]
"""Told after every episode: episodes done, episodes in all, name of the agent."""

_Task = tuple[int, int]
_Outcomes = Generator["Episode | _Failure", None, None]


@dataclass(frozen=True, slots=True)
class Job:
    """What a process needs to know to run any episode of a run."""

    ground: Ground
    specs: list[AgentSpec]
    workers: int = 1

    def tasks(self) -> list[_Task]:
        """Return (agent, window) window by window, so that a run cut short is still paired."""
        agents = range(len(self.specs))
        return [(agent, index) for index in range(len(self.ground.windows)) for agent in agents]


@dataclass(frozen=True, slots=True)
class _Failure:
    """An agent's error as text: an exception of its own module might not travel."""

    message: str


def run_episodes(job: Job, progress: Progress | None = None) -> tuple[list[Episode], bool]:
    """Run every agent in every window.

    Args:
        job: The run.
        progress: Told after every episode.

    Returns:
        Episodes by agent, then by window, the same for any number of workers; and whether they are
        all there. Ctrl-C keeps the finished ones.

    Raises:
        ConfigError: An agent raised; the message names it, the window and the line.
    """
    tasks = job.tasks()
    outcomes = _in_here(job, tasks) if job.workers == 1 else _in_pool(job, tasks)
    done: list[Episode] = []
    # Closed at once, so that the processes of a run that stops early stop with it.
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(outcomes):
        for outcome in outcomes:
            if isinstance(outcome, _Failure):
                raise ConfigError(outcome.message)
            done.append(outcome)
            if progress is not None:
                progress(len(done), len(tasks), job.specs[outcome.agent].name)
    done.sort(key=lambda episode: (episode.agent, episode.index))
    return done, len(done) == len(tasks)


def _in_here(job: Job, tasks: list[_Task]) -> _Outcomes:
    rollout = Rollout(job.ground, job.specs)
    for agent, index in tasks:
        yield _try_episode(rollout, job.specs[agent].name, agent, index)


def _in_pool(job: Job, tasks: list[_Task]) -> _Outcomes:
    payload = _pickled(job)
    # Never fork: the parent may have threads (numba, BLAS) that a child would find half alive.
    context = multiprocessing.get_context("spawn")
    waiting = iter(tasks)
    processes: list[SpawnProcess] = []
    pipes: list[Connection] = []
    with tempfile.TemporaryDirectory(prefix="seq-gym-") as folder:
        path = Path(folder) / "job.pickle"
        path.write_bytes(payload)
        try:
            for task in itertools.islice(waiting, min(job.workers, _cores())):
                pipe, theirs = context.Pipe()
                process = context.Process(target=_work, args=(str(path), theirs))
                with _interrupts_held():
                    process.start()
                theirs.close()
                processes.append(process)
                pipes.append(pipe)
                pipe.send(task)
            while pipes:
                ready = wait(pipes)
                for pipe in [each for each in pipes if each in ready]:
                    yield _received(pipe)
                    task_or_end = next(waiting, None)
                    pipe.send(task_or_end)
                    if task_or_end is None:
                        pipes.remove(pipe)
        except (KeyboardInterrupt, GeneratorExit):
            # Nobody waits for episodes that are not wanted any more.
            for process in processes:
                process.terminate()
            raise
        finally:
            for pipe in pipes:
                pipe.close()
            for process in processes:
                process.join()


def _cores() -> int:
    """Return the cores that this process may use: more processes than these only start up."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _pickled(job: Job) -> bytes:
    try:
        return pickle.dumps(job)
    except Exception as error:
        raise ConfigError(
            f"workers must be 1 for agents that cannot be sent to another process; was "
            f"{job.workers} ({blame(error)}). Likely fix: name the agent as file.py:Name."
        ) from error


def _received(pipe: Connection) -> Episode | _Failure:
    try:
        outcome: Episode | _Failure = pipe.recv()
    except (EOFError, OSError) as error:
        raise ConfigError(
            "A worker process died, most likely for lack of memory. Likely fix: fewer workers."
        ) from error
    return outcome


def _work(path: str, pipe: Connection) -> None:
    """Run the episodes that the parent asks for, until it says None or is gone."""
    # Once more, for systems where a process inherits no signal mask.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        job: Job = pickle.loads(Path(path).read_bytes())
    except Exception as error:  # noqa: BLE001 - an agent's module may raise anything
        pipe.send(_Failure(f"A worker process cannot load the run: {blame(error)}."))
        return
    rollout = Rollout(job.ground, job.specs)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while (task := pipe.recv()) is not None:
            agent, index = task
            pipe.send(_try_episode(rollout, job.specs[agent].name, agent, index))


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while processes start, which inherit that and so never see it.

    It reaches every process of a terminal; what is kept is for the parent to decide.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _try_episode(rollout: Rollout, name: str, agent: int, index: int) -> Episode | _Failure:
    try:
        return rollout.episode(agent, index)
    except SeqGymError as error:
        return _Failure(f"Agent {name!r} failed in episode {index}: {blame(error)}.")
    except Exception as error:  # noqa: BLE001 - whatever an agent raises is told in one line
        return _Failure(
            f"Agent {name!r} failed in episode {index}: {blame(error)}. Likely fix: in the agent."
        )
