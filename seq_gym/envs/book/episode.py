"""The episode of a recorded env: its events, its equity, the session that reads both, copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.snapshot import AccountState
from seq_gym.engine.layout import Table
from seq_gym.envs.book.core import BookEnvBatch
from seq_gym.errors import ConfigError
from seq_gym.sandbox.book.session import BookSession
from seq_gym.times import NS_PER_S

__all__ = ["BookEpisode", "BookEpisodeSnapshot"]


@dataclass(frozen=True, slots=True)
class BookEpisodeSnapshot:
    """The moving state of one episode: account, row, equity so far, events drained so far."""

    account: AccountState
    state: Table
    equity: NDArray[np.float64]
    pieces: tuple[Table, ...]


class BookEpisode:
    """What a single environment remembers of its episode beyond the tables of the engine.

    Args:
        core: A recorded batch of one.
    """

    def __init__(self, core: BookEnvBatch) -> None:
        self._core = core
        self._pieces: list[Table] = []  # what was drained, until the next reset
        self._num_read = 0  # of it, by the session
        self._session: BookSession | None = None

    def open(self) -> None:
        """Forget the episode before."""
        self._pieces.clear()
        self._session, self._num_read = None, 0

    def stash(self) -> None:
        """Empty the event ring; its events are read when the session is."""
        if self._core.batch.accounts["num_events"][0]:
            self._pieces.append(self._core.batch.drain(0))

    def unread(self) -> Table:
        """Return the events that the session has not read yet."""
        self.stash()
        pieces = self._pieces[self._num_read :]
        self._num_read = len(self._pieces)
        found: Table = np.concatenate([self._core.batch.events[0, :0], *pieces])
        return found

    def curve(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the decision times of the episode so far, and equity at each."""
        state, curve = self._core.states[0], self._core.curve
        assert curve is not None
        start, count = int(state["start"]), int(state["cursor"]) - int(state["start"]) + 1
        times = self._core.settings.grid.times[start : start + count]
        return times.copy(), curve[:count].copy()

    @property
    def session(self) -> BookSession:
        """The episode as a BookSession; the same one until the next `open` or `restore`."""
        if self._session is None:
            core, market = self._core, self._core.settings.market
            account = core.batch.accounts[0]
            self._session = BookSession(
                core.batch,
                market.data,
                market.params,
                tapes=[market.tape],
                start_ns=int(account["start"]),
                end_ns=int(account["end"]),
                seed=int(account["seed"]),
                is_view=True,
                alive=core,
                curve=self.curve,
                step_s=float(np.median(np.diff(market.grid.times))) / NS_PER_S,
                drain=self.unread,
            )
        return self._session

    def snapshot(self) -> BookEpisodeSnapshot:
        """Copy the whole moving state, the market excepted (E4c)."""
        return BookEpisodeSnapshot(
            account=self._core.batch.snapshot(0),
            state=self._core.states.copy(),
            equity=self.curve()[1],
            pieces=tuple(self._pieces),
        )

    def restore(self, snapshot: BookEpisodeSnapshot) -> None:
        """Put a snapshot back; the session is a new one afterwards.

        Raises:
            ConfigError: It is no snapshot of such an environment.
        """
        if not isinstance(snapshot, BookEpisodeSnapshot):
            raise ConfigError(f"snapshot must be one that snapshot() returned; was {snapshot!r}.")
        core = self._core
        core.batch.restore(0, snapshot.account)
        core.states[:] = snapshot.state
        assert core.curve is not None
        core.curve[: len(snapshot.equity)] = snapshot.equity
        self.open()
        self._pieces[:] = snapshot.pieces
