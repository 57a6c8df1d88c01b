"""Tampering with a home's run: edits of every kind, with and without the hashes made anew afterwards."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from selfimp_bench.canonical import digest, file_sha256, pretty_json
from selfimp_bench.manifest.model import Profile
from selfimp_bench.protocols.load import load_manifest
from selfimp_bench.protocols.registry import protocol_of, resolve_profile
from selfimp_bench.runs.record import read_record
from selfimp_bench.seals import seal_of
from selfimp_bench.steps.plan import Plan, fingerprint
from selfimp_bench.steps.store import Artifact, StepRecord


@dataclass(frozen=True, kw_only=True)
class Target:
    """A run folder and the store beside it, which are changed."""

    folder: Path
    store: Path

    @property
    def record(self) -> dict[str, Any]:
        """The run's record."""
        found: dict[str, Any] = json.loads((self.folder / "record.json").read_bytes())
        return found

    def write_record(self, record: dict[str, Any]) -> None:
        """Put another record in its place."""
        (self.folder / "record.json").write_bytes(pretty_json(record))

    def steps(self, stage: str) -> list[dict[str, Any]]:
        """The recorded steps of a stage."""
        return [step for step in self.record["steps"] if step["stage"] == stage]

    def artifact(self, step: dict[str, Any], name: str) -> Path:
        """A file of a step."""
        return self.store / step["fingerprint"] / name

    def plan(self) -> Plan:
        """The plan of the manifest that lies in the folder."""
        record = self.record
        manifest = resolve_profile(load_manifest(self.folder / record["manifest_file"]), Profile(record["profile"]))
        models = tuple(model for model in manifest.models if model.id in record["models"])
        return protocol_of(manifest).plan(manifest, models, len(record["seeds"]), self.folder)


def edit_rows(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Write a table with other rows, as a run writes it."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path, compression="zstd")


def remake(target: Target, swap: tuple[str, str] | None = None) -> Target:
    """Make every hash anew, from the manifest's to the name of every step's folder, as one would who covers an edit.

    swap: a training step, and the hash that its checkpoint is said to have.
    """
    record, plan = target.record, target.plan()
    done: dict[str, StepRecord] = {}
    renamed: dict[str, str] = {}
    for row, step in zip(record["steps"], plan.steps, strict=True):
        old = target.store / renamed.get(row["fingerprint"], row["fingerprint"])
        own = msgspec.json.decode((old / "step.json").read_bytes(), type=StepRecord)
        artifacts = tuple(_hashed(old, each) for each in own.artifacts)
        inputs = {name: done[source].content_digest() for name, source in step.inputs.items()}
        key = fingerprint(replace(step, version=own.version), inputs)
        block = msgspec.to_builtins(step.block)
        done[step.id] = replace(own, block=block, artifacts=artifacts, inputs=inputs, fingerprint=key)
        if swap is not None and step.id == swap[0]:
            changed = (replace(each, sha256=swap[1]) if each.path in WEIGHTS else each for each in artifacts)
            done[step.id] = replace(done[step.id], artifacts=tuple(changed))
        done[step.id] = replace(done[step.id], seal=seal_of(pretty_json(done[step.id])))
        (old / "step.json").write_bytes(pretty_json(done[step.id]))
        if old.name != key:
            old.rename(target.store / key)
            renamed[row["fingerprint"]] = key  # two seeds share steps that know no seed
        row |= msgspec.to_builtins(
            {name: getattr(done[step.id], name) for name in ("fingerprint", "inputs", "artifacts")}
        )
    record["manifest_digest"] = file_sha256(target.folder / record["manifest_file"])
    record["files"] = {name: file_sha256(target.folder / name) for name in record["files"]}
    record["seal"] = seal_of(pretty_json(record))
    target.write_record(record)
    findings = target.folder / "findings.json"
    found = json.loads(findings.read_bytes()) | {"evidence": read_record(target.folder).evidence_digest()}
    findings.write_bytes(pretty_json(found | {"seal": seal_of(pretty_json(found))}))
    asked = [record["manifest_digest"], record["profile"], record["models"], len(record["seeds"])]
    folder = target.folder.rename(target.folder.parent / digest(asked)[:12])
    return Target(folder=folder, store=target.store)


def _hashed(folder: Path, artifact: Artifact) -> Artifact:
    path = folder / artifact.path
    if not path.is_file() or file_sha256(path) == artifact.sha256:
        return artifact
    rows = pq.read_metadata(path).num_rows if path.suffix == ".parquet" and artifact.rows is not None else artifact.rows
    return replace(artifact, sha256=file_sha256(path), bytes=path.stat().st_size, rows=rows)


WEIGHTS = ("model.safetensors", "fake.json")

Edit = Callable[[Target, random.Random], Any]


def flip_a_byte(target: Target, draw: random.Random) -> None:
    """One bit of any file of the run folder or the store."""
    files = [path for path in (*target.folder.rglob("*"), *target.store.rglob("*")) if path.is_file()]
    path = draw.choice(sorted(file for file in files if file.stat().st_size and "logs" not in file.parts))
    data = bytearray(path.read_bytes())
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)


def change_a_text(target: Target, draw: random.Random) -> None:
    """A letter more in a completion, whose token ids stay."""

    def change(rows: list[dict[str, Any]]) -> None:
        draw.choice(rows)["completion"] += "x"

    edit_rows(target.artifact(draw.choice(target.steps("sample")), "samples.parquet"), change)


_TABLES = (
    ("sample", "samples.parquet"),
    ("grade", "grades.parquet"),
    ("problems", "problems.parquet"),
    ("select", "training_set.parquet"),
    ("measure", "measurements.parquet"),
    ("measure", "problem_values.parquet"),
)


def drop_a_row(target: Target, draw: random.Random) -> None:
    """A row less in some table."""
    stage, name = draw.choice(_TABLES)
    edit_rows(target.artifact(draw.choice(target.steps(stage)), name), lambda rows: rows.pop(draw.randrange(len(rows))))


def double_a_row(target: Target, draw: random.Random) -> None:
    """A row twice in some table."""
    stage, name = draw.choice(_TABLES)

    def double(rows: list[dict[str, Any]]) -> None:
        place = draw.randrange(len(rows))
        rows.insert(place, rows[place])

    edit_rows(target.artifact(draw.choice(target.steps(stage)), name), double)


def edit_a_number(target: Target, draw: random.Random) -> None:
    """A measurement, a value of a problem or a grade is another, in the store or the run folder."""

    def better(rows: list[dict[str, Any]]) -> None:
        row = draw.choice([row for row in rows if row["value"] is not None])
        row["value"] = 1.0 - row["value"] if row["value"] != 0.5 else 0.25

    def regraded(rows: list[dict[str, Any]]) -> None:
        row = draw.choice(rows)
        row["outcome"] = "wrong" if row["outcome"] == "correct" else "correct"

    kind = draw.randrange(4)
    if kind == 0:
        edit_rows(target.artifact(draw.choice(target.steps("grade")), "grades.parquet"), regraded)
    elif kind == 1:
        edit_rows(target.artifact(draw.choice(target.steps("measure")), "measurements.parquet"), better)
    else:
        edit_rows(target.folder / ("measurements.parquet", "problem_values.parquet")[kind - 2], better)


def swap_checkpoints(target: Target, draw: random.Random) -> tuple[str, str]:
    """The hash of one checkpoint stands for another's; returns the step of this one and that hash."""
    one, other = draw.sample(target.steps("train"), 2)
    sha256 = next(each["sha256"] for each in one["artifacts"] if each["path"] in WEIGHTS)
    record = target.record
    for step in record["steps"]:
        if step["id"] == other["id"]:
            weights = next(each for each in step["artifacts"] if each["path"] in WEIGHTS)
            sha256 = sha256 if sha256 != weights["sha256"] else "0" * 64
            weights["sha256"] = sha256
            own = target.artifact(step, "step.json")
            own.write_bytes(pretty_json(json.loads(own.read_bytes()) | {"artifacts": step["artifacts"]}))
    target.write_record(record)
    return other["id"], sha256


def change_the_manifest(target: Target, draw: random.Random) -> None:
    """Another seed, another k, another rule of extraction, or a claim that says the opposite."""
    path = target.folder / target.record["manifest_file"]
    text = path.read_text()
    changes = (
        ("seed: 1\n", "seed: 3\n"),
        ("extraction: strict", "extraction: flexible"),
        ("ngram_max: 5", "ngram_max: 4"),
    )
    old, new = draw.choice([change for change in changes if change[0] in text])
    path.write_text(text.replace(old, new))


def copy_a_seed(target: Target, draw: random.Random) -> None:
    """What one replicate drew at random stands for another, under the seeds of this one."""
    samples = target.steps("sample")
    step = draw.choice(
        [each for each in samples if "/seed2/" in each["id"] and each["id"].endswith(("sample.sample", "sample.train"))]
    )
    twin = next(each for each in samples if each["id"] == step["id"].replace("/seed2/", "/seed1/"))
    seeds = [row["seed"] for row in pq.read_table(target.artifact(step, "samples.parquet")).to_pylist()]
    shutil.copyfile(target.artifact(twin, "samples.parquet"), target.artifact(step, "samples.parquet"))

    def own_seeds(rows: list[dict[str, Any]]) -> None:
        for row, seed in zip(rows, seeds, strict=True):
            row["seed"] = seed

    edit_rows(target.artifact(step, "samples.parquet"), own_seeds)


_COUNTED = (
    *(("sample", "tokens"), ("sample", "completions"), ("train", "tokens"), ("train", "rows"), ("select", "samples")),
    *(("train", "optimizer steps"), ("problems", "problems"), ("measure", "measurements")),
)


def edit_a_count(target: Target, draw: random.Random) -> None:
    """What a step says that it counted, or the rows of its table; the run's sums of it, too."""
    record = target.record
    stage, name = draw.choice(_COUNTED)
    step = draw.choice([each for each in record["steps"] if each["stage"] == stage])
    rows = [artifact for artifact in step["artifacts"] if artifact["rows"] is not None]
    if name in step["counts"] and (not rows or draw.random() < 0.7):
        step["counts"][name] += 1
    else:
        rows[0]["rows"] += 1
    own = target.artifact(step, "step.json")
    changed = {part: step[part] for part in ("counts", "artifacts")}
    for each in record["steps"]:
        if each["fingerprint"] == step["fingerprint"]:
            each |= changed
    own.write_bytes(pretty_json(json.loads(own.read_bytes()) | changed))
    for total, stages in (("generated_tokens", ("sample", "choose")), ("trained_tokens", ("train",))):
        record[total] = sum(each["counts"].get("tokens", 0) for each in record["steps"] if each["stage"] in stages)
    target.write_record(record)


EDITS: dict[str, Edit] = {
    "byte": flip_a_byte,
    "text": change_a_text,
    "row dropped": drop_a_row,
    "row doubled": double_a_row,
    "number": edit_a_number,
    "count": edit_a_count,
    "checkpoint": swap_checkpoints,
    "manifest": change_the_manifest,
    "seed": copy_a_seed,
}
