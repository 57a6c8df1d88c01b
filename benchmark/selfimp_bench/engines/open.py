"""Engines by name, opened on first use; nothing heavy is imported here."""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Final

from selfimp_bench.engines.base import Sampler, SamplerSettings, Trainer
from selfimp_bench.engines.embedder import Embedder, EmbedderSettings
from selfimp_bench.manifest.model import Engines


def open_sampler(engines: Engines) -> Sampler:
    """The sampler a manifest names. Its process starts with the first ``sample``."""
    return SAMPLERS[engines.sampler](
        SamplerSettings(
            device=engines.device,
            precision=engines.sampler_precision,
            max_batch_rows=engines.max_batch_rows,
            threads=engines.threads,
        )
    )


def open_trainer(engines: Engines) -> Trainer:
    """The trainer a manifest names."""
    return TRAINERS[engines.trainer]()


def engine_version(name: str) -> str:
    """What goes into a step's fingerprint: ``hf revision 1, transformers 5.19.0, torch 2.13.0+cpu, numpy 2.3.5``."""
    module = import_module(f"selfimp_bench.engines.{name}")
    libraries = [f"{library} {version(library)}" for library in module.LIBRARIES]
    return ", ".join([f"{name} revision {module.REVISION}", *libraries])


def _hf(settings: SamplerSettings) -> Sampler:
    from selfimp_bench.engines.hf import HfSampler

    return HfSampler(settings)


def _fake_sampler(_settings: SamplerSettings) -> Sampler:
    from selfimp_bench.engines.fake import FakeSampler

    return FakeSampler()


def _trl() -> Trainer:
    from selfimp_bench.engines.trl import TrlTrainer

    return TrlTrainer()


def _fake_trainer() -> Trainer:
    from selfimp_bench.engines.fake import FakeTrainer

    return FakeTrainer()


def open_embedder(engine: str, folder: Path, settings: EmbedderSettings) -> Embedder:
    """The embedder of a step (``EMBEDDERS`` has the names). Its process starts with the first ``embed``."""
    return EMBEDDERS[engine](folder, settings)


def _sentence_embedder(folder: Path, settings: EmbedderSettings) -> Embedder:
    from selfimp_bench.engines.embedder import SentenceEmbedder

    return SentenceEmbedder(folder, settings)


def _fake_embedder(_folder: Path, _settings: EmbedderSettings) -> Embedder:
    from selfimp_bench.engines.embedder import FakeEmbedder

    return FakeEmbedder()


EMBEDDERS: Final[dict[str, Callable[[Path, EmbedderSettings], Embedder]]] = {
    "embedder": _sentence_embedder,
    "fake": _fake_embedder,
}
SAMPLERS: Final[dict[str, Callable[[SamplerSettings], Sampler]]] = {"hf": _hf, "fake": _fake_sampler}
TRAINERS: Final[dict[str, Callable[[], Trainer]]] = {"trl": _trl, "fake": _fake_trainer}
