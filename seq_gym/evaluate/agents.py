"""Find the agents that a run names: built-in names, modules, files, run folders.

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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from seq_gym.errors import ConfigError, SeqGymError, UnknownName
from seq_gym.evaluate.baselines import BASELINES, BUILT_IN, RandomWeights
from seq_gym.policy import is_policy, is_strategy
from seq_gym.runs.folder import read_json

__all__ = ["AgentSpec", "blame", "choose_agents", "load_agent", "record_of_run", "settings_of_run"]

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


def choose_agents(
    specs: Sequence[str],
    live: Mapping[str, Any],
    seed: int,
    *,
    algo: str | None = None,
    vecnormalize: str | None = None,
) -> list[AgentSpec]:
    """Return the agents of a run: those named, the live ones, then the baselines.

    Without any, the built-in "trend" is the one beside the baselines.

    Args:
        specs: What was named.
        live: Objects by name.
        seed: Of the run.
        algo: Algorithm of models that are named by their zip.
        vecnormalize: File of their normaliser.

    Raises:
        ConfigError: An agent cannot be loaded; UnknownName with the near miss where a name fails.
    """
    sources = list(dict.fromkeys(specs))
    if (algo or vecnormalize) and not any(each.endswith(".zip") for each in sources):
        raise ConfigError(
            "algo and vecnormalize are for a model file; no agent was one. Likely fix: --agent "
            "model.zip; a run folder knows its own."
        )
    if not sources and not live:
        sources = ["trend"]
    chosen: list[AgentSpec] = []
    for source in sources:
        if source not in BASELINES:
            is_model = source.endswith(".zip")
            spec = AgentSpec(
                name=_short_name(source),
                source=source,
                kind="strategy",
                algo=algo if is_model else None,
                vecnormalize=vecnormalize if is_model else None,
            )
            _append(chosen, spec, load_agent(spec, seed).agent)
    for name, agent in live.items():
        spec = AgentSpec(name=name, source="live", kind="strategy", live=agent)
        _append(chosen, spec, agent)
    beside = (AgentSpec(name=n, source=n, kind="strategy", baseline=True) for n in BASELINES)
    return [*chosen, *beside]


@dataclass(frozen=True, slots=True)
class LoadedAgent:
    """An agent in this process, and how to get it for the next episode."""

    agent: Any
    fresh: Callable[[], Any]


def load_agent(spec: AgentSpec, seed: int) -> LoadedAgent:
    """Load an agent in this process.

    Raises:
        ConfigError: It cannot be loaded, or is neither policy nor strategy.
    """
    if spec.live is not None:
        return _prepared(spec.live, spec.name)
    if spec.source == "random":
        return _made(lambda: RandomWeights(seed))
    if spec.source in BUILT_IN:
        return _made(BUILT_IN[spec.source])
    path, name = _parted(spec.source)
    if Path(spec.source).is_dir():
        return _prepared(_of_run_folder(Path(spec.source)), spec.source)
    if spec.source.endswith(".zip"):
        return _prepared(_of_model(spec), spec.source)
    if path.endswith(".py"):
        module = _of_file(Path(path), spec.source)
    elif name:
        module = _of_module(path, spec.source)
    else:
        raise UnknownName("agent", spec.source, BUILT_IN, "a file must end in .py, module:Name")
    return _prepared(_named(module, name, spec.source), spec.source)


def blame(error: BaseException) -> str:
    """Return "Type: message (file:line)" of the innermost frame, on one line."""
    # Neither Python's importer nor this file, which called it, is a place to look at.
    skipped = ("<frozen importlib", importlib.__file__, __file__)
    trace = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in trace if not frame.filename.startswith(skipped)]
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"


def _append(chosen: list[AgentSpec], spec: AgentSpec, agent: Any) -> None:
    """Append an agent under a name of its own, now that its kind is known."""
    taken = {each.name for each in chosen} | set(BASELINES)
    unique, count = spec.name, 2
    while unique in taken:
        unique, count = f"{spec.name}-{count}", count + 1
    kind: AgentKind = "policy" if is_policy(agent) else "strategy"
    if isinstance(agent, type):
        kind = "policy" if callable(getattr(agent, "predict", None)) else "strategy"
    if not is_policy(agent) and not is_strategy(agent):
        raise _no_agent(spec.name, agent)
    chosen.append(replace(spec, name=unique, kind=kind))


def _short_name(source: str) -> str:
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


def _of_file(path: Path, source: str) -> ModuleType:
    if not path.is_file():
        near = (
            sorted(str(each) for each in path.parent.glob("*.py")) if path.parent.is_dir() else ()
        )
        raise UnknownName("agent", source, near or BUILT_IN, f"there is no file {path}")
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
            raise UnknownName("agent", name, own, f"in {source.rpartition(':')[0]}")
        return getattr(module, name)
    if len(own) != 1:
        raise ConfigError(
            f"Agent {source!r} must define one policy or strategy class; was {len(own)} "
            f"({', '.join(own) or 'none'}). Likely fix: say which, {source}:Name."
        )
    return getattr(module, own[0])


def settings_of_run(source: str) -> dict[str, Any]:
    """Return what a run folder asks of evaluate by default, {} where it asks for nothing.

    Args:
        source: What was named as an agent.
    """
    asked = record_of_run(source).get("evaluate", {})
    return asked if isinstance(asked, dict) else {}


def record_of_run(source: str) -> dict[str, Any]:
    """Return the manifest of a run folder, {} where the source is none.

    Args:
        source: What was named as an agent.
    """
    named_first = source in BUILT_IN or not Path(source).is_dir()
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
