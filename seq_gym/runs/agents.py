"""Load the agents that a run names: built-in names, modules, files, run folders.

A run folder names its loader in its manifest, and the zip of a model is loaded by that of
seq_gym.train; both are imported when one is named, so that nothing else needs torch.

A class is built anew for every episode, so that no episode knows another; so is a copy of a live
strategy. A live policy is used as it is: what it must remember belongs in its `state`.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from seq_gym.errors import ConfigError, SeqGymError, UnknownName
from seq_gym.policy import is_policy, is_strategy
from seq_gym.runs.environment import NAMESPACE
from seq_gym.runs.folder import read_json

__all__ = [
    "AgentKind",
    "AgentSpec",
    "LoadedAgent",
    "blame",
    "env_of",
    "kind_of",
    "load_agent",
    "record_of_run",
    "settings_of_run",
    "short_name",
]

AgentKind = Literal["policy", "strategy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """An agent of a run, as it travels to worker processes.

    Attributes:
        name: Unique in the run; shown in tables.
        source: What was written, or "live" for an object.
        kind: Whether it acts on observations or on a session.
        baseline: Whether it is one of those that always run beside.
        live: The object itself, where Python gave one.
        algo: Algorithm of a model, where the source is its zip.
        vecnormalize: File of its normaliser.
    """

    name: str
    source: str
    kind: AgentKind
    baseline: bool = False
    live: Any = None
    algo: str | None = None
    vecnormalize: str | None = None


MODEL_LOADER = "seq_gym.train.loading:load_model"


@dataclass(frozen=True, slots=True)
class LoadedAgent:
    """An agent in this process, and how to get it for the next episode."""

    agent: Any
    fresh: Callable[[], Any]


def load_agent(spec: AgentSpec, built_in: Mapping[str, Callable[[], Any]]) -> LoadedAgent:
    """Load an agent in this process.

    Args:
        spec: The agent.
        built_in: What makes those that have a name without a file.

    Raises:
        ConfigError: It cannot be loaded, or is neither policy nor strategy.
    """
    if spec.live is not None:
        return _prepared(spec.live, spec.name)
    if spec.source in built_in:
        return _made(built_in[spec.source])
    path, name = _parted(spec.source)
    if Path(spec.source).is_dir():
        return _prepared(_of_run_folder(Path(spec.source)), spec.source)
    if spec.source.endswith(".zip"):
        return _prepared(_of_model(spec), spec.source)
    if path.endswith(".py"):
        module = _of_file(Path(path), spec.source, built_in)
    elif name:
        module = _of_module(path, spec.source)
    else:
        raise UnknownName("agent", spec.source, built_in, "a file must end in .py, module:Name")
    return _prepared(_named(module, name, spec.source), spec.source)


def kind_of(agent: Any, name: str) -> AgentKind:
    """Say whether an agent, or a class of agents, acts on observations or on a session.

    Raises:
        ConfigError: It does neither.
    """
    if not is_policy(agent) and not is_strategy(agent):
        raise _no_agent(name, agent)
    return "policy" if is_policy(agent) else "strategy"


def env_of(agent: Any) -> str | None:
    """Return the environment that a policy says it acts in, its `env_id` without namespace."""
    wanted = getattr(agent, "env_id", None)
    return wanted.removeprefix(NAMESPACE) if isinstance(wanted, str) else None


def blame(error: BaseException) -> str:
    """Return "Type: message (file:line)" of the innermost frame, on one line."""
    # Neither Python's importer nor this file, which called it, is a place to look at.
    skipped = ("<frozen importlib", importlib.__file__, __file__)
    trace = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in trace if not frame.filename.startswith(skipped)]
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"


def short_name(source: str) -> str:
    """Return the name under which what was named is shown."""
    if Path(source).is_dir():
        return str(_manifest(Path(source)).get("name", Path(source).name))
    path, name = _parted(source)
    return name or Path(path).stem


def _parted(source: str) -> tuple[str, str]:
    """Part "file.py:Name" or "module:Name"; a drive letter is no separator."""
    path, colon, name = source.rpartition(":")
    return (path, name) if colon and name.isidentifier() else (source, "")


def _made(maker: Callable[[], Any]) -> LoadedAgent:
    return LoadedAgent(agent=maker(), fresh=maker)


def _prepared(found: Any, source: str) -> LoadedAgent:
    if isinstance(found, type):
        try:
            return _made(found)
        except Exception as error:
            raise ConfigError(
                f"Agent {source!r} must be built without arguments; was refused with "
                f"{blame(error)}. Likely fix: give every argument a default."
            ) from error
    if is_policy(found):
        return LoadedAgent(agent=found, fresh=lambda: found)
    if is_strategy(found):
        return LoadedAgent(agent=found, fresh=lambda: copy.deepcopy(found))
    if callable(found):
        return _prepared(_called(found, source), source)
    raise _no_agent(source, found)


def _called(maker: Callable[[], Any], source: str) -> Any:
    try:
        return maker()
    except Exception as error:
        raise ConfigError(f"Agent {source!r} cannot be built: {blame(error)}.") from error


def _no_agent(source: str, found: Any) -> ConfigError:
    return ConfigError(
        f"Agent {source!r} must have predict(observation, ...) or a session callback such as "
        f"on_candle(session); was {type(found).__name__} without either. "
        "Likely fix: see seq_gym/policy.py."
    )


def _of_file(path: Path, source: str, built_in: Collection[str]) -> ModuleType:
    if not path.is_file():
        near = (
            sorted(str(each) for each in path.parent.glob("*.py")) if path.parent.is_dir() else ()
        )
        raise UnknownName("agent", source, near or built_in, f"there is no file {path}")
    # The same name in every process, or what the file defines could not be pickled; another one
    # after an edit, so that a notebook does not run yesterday's agent.
    digest = hashlib.sha256(str(path.resolve()).encode() + path.read_bytes()).hexdigest()[:8]
    module_name = f"seq_gym_agent_{path.stem}_{digest}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"Agent {source!r} must be a Python file; was {path}.")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up while it is being executed.
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        raise ConfigError(f"Agent {source!r} cannot be loaded: {blame(error)}.") from error
    return module


def _of_module(name: str, source: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except SeqGymError:
        raise
    except Exception as error:
        raise ConfigError(f"Agent {source!r} cannot be loaded: {blame(error)}.") from error


def _named(module: ModuleType, name: str, source: str) -> Any:
    own = [
        each
        for each, value in vars(module).items()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and (is_policy(value) or is_strategy(value))
    ]
    if name:
        if not hasattr(module, name):
            shown = dict.fromkeys((*own, *getattr(module, "__all__", ())))
            raise UnknownName("agent", name, shown, f"in {source.rpartition(':')[0]}")
        return getattr(module, name)
    if len(own) != 1:
        raise ConfigError(
            f"Agent {source!r} must define one policy or strategy class; was {len(own)} "
            f"({', '.join(own) or 'none'}). Likely fix: say which, {source}:Name."
        )
    return getattr(module, own[0])


def settings_of_run(source: str, built_in: Collection[str]) -> dict[str, Any]:
    """Return what a run folder asks of evaluate by default, {} where it asks for nothing.

    Args:
        source: What was named as an agent.
        built_in: Names of those without a file.
    """
    asked = record_of_run(source, built_in).get("evaluate", {})
    return asked if isinstance(asked, dict) else {}


def record_of_run(source: str, built_in: Collection[str]) -> dict[str, Any]:
    """Return the manifest of a run folder, {} where the source is none.

    Args:
        source: What was named as an agent.
        built_in: Names of those without a file.
    """
    named_first = source in built_in or not Path(source).is_dir()
    return {} if named_first else _manifest(Path(source))


def _of_run_folder(folder: Path) -> Any:
    """Load the agent of a run folder by the loader that its manifest names, `module:attr`."""
    loader = _manifest(folder).get("loader")
    if not isinstance(loader, str):
        raise ConfigError(
            f"A run folder must hold a manifest.json that names its loader; {folder} does not. "
            "Likely fix: name a folder that a training run made."
        )
    return _loaded(loader, str(folder), folder)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        return read_json(folder / "manifest.json")
    except ConfigError as error:
        raise ConfigError(
            f"A run folder must hold a manifest.json that names its loader; {folder} does not. "
            "Likely fix: name a folder that a training run made."
        ) from error


def _of_model(spec: AgentSpec) -> Any:
    """Load a model that somebody saved."""
    if not Path(spec.source).is_file():
        raise ConfigError(f"agent must be a file that exists; there is no {spec.source!r}.")
    return _loaded(MODEL_LOADER, spec.source, spec.source, spec.algo, spec.vecnormalize)


def _loaded(loader: str, source: str, *arguments: Any) -> Any:
    module, _, attribute = loader.partition(":")
    found = getattr(_of_module(module, source), attribute)
    try:
        return found(*arguments)
    except SeqGymError:
        raise
    except Exception as error:
        raise ConfigError(f"Agent {source!r} cannot be built: {blame(error)}.") from error
