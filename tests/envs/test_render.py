"""Rendering: a text and a picture of the episode so far."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest

from seq_gym.errors import UsageError
from tests.envs.worlds import PORTFOLIO, make, play


def test_text_tells_time_equity_drawdown_fills_and_positions() -> None:
    env = make(render_mode="ansi", action="ladder")
    env.reset(seed=1)
    assert "no position" in env.render()
    for action in (4, 2, 4):
        env.step(action)
    text = env.render()
    session = env.unwrapped.session
    assert session.virtual_time in text
    assert "step 3/40" in text
    assert f"fills {len(session.fills())}" in text
    assert f"equity {session.equity[-1]:,.2f}" in text
    assert "BTCUSDT  +" in text


@pytest.mark.parametrize("env_id", [None, PORTFOLIO])
def test_a_picture_is_an_image_that_changes_with_the_episode(env_id: str | None) -> None:
    pytest.importorskip("matplotlib")
    env = make(**({} if env_id is None else {"env_id": env_id}), render_mode="rgb_array")
    env.action_space.seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.reset(seed=1)
        first = env.render()
        for _ in range(25):
            env.step(env.action_space.sample())
        later = env.render()
    assert first.dtype == later.dtype == np.uint8
    assert first.shape == later.shape == (500, 800, 3)
    assert later.std() > 10.0
    assert not np.array_equal(first, later)


def test_an_ended_episode_can_still_be_drawn() -> None:
    pytest.importorskip("matplotlib")
    env = make(render_mode="rgb_array", episode_steps=5)
    play(env, [1] * 5)
    assert env.render().shape == (500, 800, 3)


def test_rendering_changes_nothing() -> None:
    pytest.importorskip("matplotlib")
    drawn, other = make(render_mode="rgb_array"), make()
    drawn.reset(seed=1)
    other.reset(seed=1)
    for action in (1, 0, 2, 1):
        drawn.render()
        assert drawn.step(action)[1:] == other.step(action)[1:]


def test_rendering_without_a_mode_says_what_to_do() -> None:
    env = make().unwrapped
    env.reset(seed=1)
    with pytest.raises(UsageError, match="render_mode"):
        env.render()


def test_gymnasiums_render_check_and_video_wrappers_take_the_pictures() -> None:
    pytest.importorskip("matplotlib")
    env = gymnasium.wrappers.RenderCollection(make(render_mode="rgb_array", episode_steps=3))
    play(env, [1, 0, 2])
    frames = env.render()
    assert len(frames) == 4
    assert all(frame.shape == (500, 800, 3) for frame in frames)
