"""What reads what others wrote: each with files to begin with, and what must be true of anything that it accepts."""

import csv
import io
import json
import math
import shutil
from collections.abc import Container, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
from gap_support import GapManifestMaker
from support import ManifestMaker

from fuzz.edits import zip_members
from fuzz.outside import outside
from fuzz.target import Seed, Target, as_lines, as_parquet, json_lines, seed, twice_refused
from selfimp_bench.errors import InputError
from selfimp_bench.manifest import priors, reference_table
from selfimp_bench.manifest.model import Grading, Profile
from selfimp_bench.measurement import Split
from selfimp_bench.places import REFERENCES
from selfimp_bench.protocols.load import find_flaws, load_file
from selfimp_bench.protocols.verification import judgement
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.grade_files import grade_files
from selfimp_bench.runs.hardware.device import parse_hardware
from selfimp_bench.runs.judge import judge_run
from selfimp_bench.runs.lock import Lock, lock_flaws, lock_path
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.runs.verifying.bundle import write_bundle
from selfimp_bench.runs.verifying.found import Found
from selfimp_bench.runs.verifying.open import verify
from selfimp_bench.runs.verifying.parts import is_left_out
from selfimp_bench.runs.verifying.steps import Kept
from selfimp_bench.runs.verifying.unpack import unpack
from selfimp_bench.runs.verifying.verify import verify_run
from selfimp_bench.steps.dataset import read_problems
from selfimp_bench.steps.progress import Silent
from selfimp_bench.steps.rows import PROBLEM_SCHEMA
from selfimp_bench.tasks.tiny_gsm import generate

ROOT: Final = Path(__file__).parents[2]


def targets(folder: Path) -> Mapping[str, Target]:
    """All of them; what they need lies in ``folder``."""
    texts = (_tables(), _priors(), _problems(), _samples(folder), _texts(), outside(folder))
    made = (_manifests(folder), _locks(folder), _run_folders(folder), _bundles(folder))
    return {each.name: each for each in (*texts, *made)}


def _tables() -> Target:
    def read(path: Path) -> None:
        table = reference_table.read_table(path, path.name)
        ours = list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline=""), strict=True))
        assert [row["id"] for row in ours] == [row.id for row in table.rows], "rows that the csv module reads otherwise"
        assert len({row.id for row in table.rows}) == len(table.rows), "an id twice"
        for row, plain in zip(table.rows, ours, strict=True):
            assert row.printed == plain["printed"] and math.isfinite(float(row.value)), "no number"
            assert row.sd is None or (row.sd >= 0 and row.runs is not None and row.runs >= 2), "a spread of nothing"
            assert row.own_error >= Decimal(0), "an error below 0"

    paper = REFERENCES / "progress-or-regress"
    seeds = [seed(path, "csv") for path in (paper / "table1.csv", paper / "datasets.csv", paper / "implied.csv")]
    tiny = (REFERENCES / "tiny" / "tiny-iter-sft-vllm.v1.csv").read_bytes()
    return Target(name="tables", seeds=[*seeds, Seed(name="tiny.csv", form="csv", content=tiny)], read=read, share=0.15)


def _priors() -> Target:
    lines = (REFERENCES / "priors.csv").read_bytes().splitlines(keepends=True)
    named = sorted({line.partition(b",")[0].decode() for line in lines[1:]})

    def read(path: Path) -> None:
        found = priors.priors_of(named[0], [path])
        assert found.rows, "a setting without rows"
        for row in found.rows:
            assert row.sd > 0 and math.isfinite(row.sd) and row.df > 0 and math.isfinite(row.df), "no spread"

    rows = [line for line in lines[1:] if line.startswith(named[0].encode())][:12]
    return Target(
        name="priors",
        seeds=[Seed(name="priors.csv", form="csv", content=b"".join([lines[0], *rows]))],
        read=read,
        share=0.1,
    )


def _problem_rows(count: int) -> list[dict[str, Any]]:
    rows = [msgspec.to_builtins(problem) for problem in generate(Split.TEST, count=count, seed=1)]
    rows[0] |= {"choices": ["a", "b"], "answers": ["c"], "tests": ["assert f(1)"], "setup": "", "entry_point": "f"}
    return [{key: value for key, value in row.items() if value is not None} for row in rows]


def _problems() -> Target:
    def read(path: Path) -> None:
        problems = read_problems(path)
        assert len({each.problem_id for each in problems}) == len(problems), "a problem twice"
        if path.suffix == ".jsonl":
            rows = json_lines(path)
            assert [row["problem_id"] for row in rows] == [each.problem_id for each in problems], "other rows"
        table = pa.Table.from_pylist([msgspec.to_builtins(each) for each in problems], schema=PROBLEM_SCHEMA)
        assert table.num_rows == len(problems)
        for each in problems:
            assert each.level is None or each.level >= 1, "a level below the easiest"

    rows = _problem_rows(6)
    seeds = [
        Seed(name="problems.jsonl", form="jsonl", content=as_lines(rows)),
        Seed(name="problems.parquet", form="parquet", content=as_parquet(rows)),
    ]
    return Target(name="problems", seeds=seeds, read=read, share=0.27)


def _samples(folder: Path) -> Target:
    problems = folder / "problems.jsonl"
    rows = _problem_rows(4)
    problems.write_bytes(as_lines(rows))
    grading = Grading(task="gsm8k", extraction="strict", source="test")
    samples = [
        {
            "problem_id": row["problem_id"],
            "sample_index": index,
            "completion": row["answer"],
            "iteration": 1,
            "role": "a",
        }
        for row in rows
        for index in range(2)
    ]

    def read(path: Path) -> None:
        out = folder / "grades.jsonl"
        out.unlink(missing_ok=True)
        try:
            grade_files(grading, problems=problems, samples=[path], out=out, told=lambda _: None)
        finally:
            (folder / ".grades.jsonl.partial").unlink(missing_ok=True)
        grades = json_lines(out)
        assert grades, "graded nothing"
        for each in grades:
            assert 0 <= each["sample_index"] < 2**63, "a sample index that is none"
        if path.suffix == ".jsonl":
            given = [(row["problem_id"], row["sample_index"]) for row in json_lines(path)]
            assert given == [(each["problem_id"], each["sample_index"]) for each in grades], "other samples"

    seeds = [
        Seed(name="samples.jsonl", form="jsonl", content=as_lines(samples)),
        Seed(name="samples.parquet", form="parquet", content=as_parquet(samples)),
    ]
    return Target(name="samples", seeds=seeds, read=read, share=0.15)


def _texts() -> Target:
    """Judgements that a model wrote, completions of the tasks that are graded by their text alone, and hardware."""

    def read(path: Path) -> None:
        raw = path.read_bytes()
        text = raw.decode("utf-8", errors="replace")
        for parse, lowest, highest in _JUDGEMENTS:
            found = parse(text, truncated=len(raw) % 2 == 1)
            parsed = found.outcome is judgement.JudgementOutcome.PARSED
            assert parsed == (found.value is not None), "a value without a judgement, or none with one"
            assert found.value is None or lowest <= found.value <= highest, "off the scale"
        preferred = judgement.parse_preference(text, truncated=False)
        assert (preferred.outcome is judgement.JudgementOutcome.PARSED) == (preferred.value is not None)
        try:
            assert parse_hardware(text.strip()).count >= 1
        except InputError as refused:
            assert len(str(refused)) < 3000, "a message as long as what it is about"

    texts = (
        "The first step is right.\nBut 3 + 4 = 7, not 8.\n**Correctness:** <incorrect>",
        "It adds up. Score: 8/10\n\nProblem: what is 3?\nScore: 3",
        "A is shorter.\n### Preferred solution: **B**",
        "48 / 2 = <<48/2=24>>24 clips. So 48 + 24 = 72.\n#### 72",
        "8xA100-80GB",
    )
    seeds = [Seed(name="text.txt", form="text", content=text.encode()) for text in texts]
    return Target(name="judgements", seeds=seeds, read=read, share=0.14)


def _manifests(folder: Path) -> Target:
    places = {"made": folder / "made", "valid": folder / "valid"}
    places["made"].mkdir()
    maker = GapManifestMaker(folder=places["made"])
    made = (ManifestMaker(folder=places["made"])(name="small", figures=True), maker(change=maker.improving))
    shutil.copytree(ROOT / "tests" / "manifest" / "valid", places["valid"])
    at = {path.name: path for path in (*made, *sorted(places["valid"].glob("*.yaml")))}

    def read(path: Path) -> None:
        beside = at[path.name]
        before = beside.read_bytes()
        beside.write_bytes(path.read_bytes())
        try:
            _accepts(beside)
        finally:
            beside.write_bytes(before)

    seeds = [seed(path, "yaml") for path in at.values()]
    return Target(name="manifests", seeds=seeds, read=read, share=0.02)


def _accepts(path: Path) -> None:
    """A manifest that is accepted says the same once it is written out and read again."""
    if flaws := find_flaws(path):
        for flaw in flaws:
            assert flaw.line >= 1 and flaw.column >= 1 and flaw.message, "a flaw without place or words"
        raise InputError("flawed")
    loaded = load_file(path)
    for each in loaded.experiments:
        again = path.with_name(f"{each.manifest.name}.v{each.manifest.version}.yaml")
        kept = again.read_bytes() if again.exists() else None
        again.write_text(each.text, encoding="utf-8")
        try:
            (twin,) = load_file(again).experiments
            assert twin.manifest == each.manifest and twin.text == each.text, "it reads otherwise once resolved"
        finally:
            again.unlink() if kept is None else again.write_bytes(kept)
        for number in _numbers(each.data):
            assert math.isfinite(number), "a number that is none"


def _numbers(data: Any) -> list[float]:
    if isinstance(data, dict | list):
        return [number for each in (data.values() if isinstance(data, dict) else data) for number in _numbers(each)]
    return [data] if isinstance(data, float) else []


def _locks(folder: Path) -> Target:
    place = ROOT / "manifests" / "tiny"
    study = shutil.copyfile(place / "tiny-gap.v1.yaml", folder / "tiny-gap.v1.yaml")
    shutil.copytree(place / "prompts", folder / "prompts")
    loaded = load_file(study)
    kept = (place / "tiny-gap.v1.lock").read_bytes()
    own = json.loads(kept)

    def read(path: Path) -> None:
        lock_path(study).write_bytes(path.read_bytes())
        if flaws := list(lock_flaws(loaded)):
            raise InputError("\n".join(map(str, flaws)))
        found = json.loads(path.read_bytes(), object_pairs_hook=twice_refused)
        same = {name: found.get(name) for name in own} == own
        assert same, "another lock is accepted"

    assert msgspec.json.decode(kept, type=Lock)
    return Target(name="locks", seeds=[Seed(name="tiny-gap.v1.lock", form="json", content=kept)], read=read, share=0.04)


def _run_folders(folder: Path) -> Target:
    made = folder / "run"
    made.mkdir()
    experiment = open_experiment(
        str(ManifestMaker(folder=made)(schedule=("sft-gold", "sft"))), profile=Profile.PAPER, only=None, replicates=1
    )
    run = execute(experiment, made / "home", Silent())
    expected = judge_run(run).findings
    names = [path.relative_to(run).as_posix() for path in sorted(run.rglob("*")) if path.is_file()]
    read_of_it = [name for name in names if name.endswith((".json", ".parquet", ".yaml")) and "findings" not in name]

    def read(path: Path) -> None:
        place = run / path.name
        before = place.read_bytes()
        place.write_bytes(path.read_bytes())
        try:
            assert judge_run(run).findings == expected, "other findings of a run that was edited"
        finally:
            place.write_bytes(before)

    seeds = [seed(run / name, name.rpartition(".")[2]) for name in read_of_it]
    return Target(name="run-folders", seeds=seeds, read=read, share=0.02)


def _bundles(folder: Path) -> Target:
    """A stranger's bundle, and the run in it where nothing of the zip file itself is looked at."""
    made = folder / "bundled"
    made.mkdir()
    manifest = ManifestMaker(folder=made)(schedule=("sft-gold", "sft"), counts=(4, 4, 0))
    experiment = open_experiment(str(manifest), profile=Profile.PAPER, only=None, replicates=1)
    run = execute(experiment, made / "home", Silent())
    judge_run(run)
    whole, into = made / "small.zip", made / "unpacked"
    write_bundle(run, made / "home", whole, key=None, with_data=True)
    names = {name for name, _, _ in zip_members(whole.read_bytes())}
    files, evidence = _parts(whole, names), _parts(whole, names, told=False)

    def read(path: Path) -> None:
        if not verify(str(path), made / "none").mismatches:
            assert _parts(path, names) == files, "a bundle with other files is verified"
            return
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir()
        bundle = unpack(path, into, Found())
        assert not [each for each in into.rglob("*") if each.is_symlink() or not (each.is_file() or each.is_dir())]
        kept = Kept(
            store=into / "store",
            runs=into / "runs",
            hub=made / "none",
            left_out=lambda plan, step, name: is_left_out(plan, step, name, with_data=bundle.with_data),
        )
        if not verify_run(into / bundle.run, kept).mismatches:
            others = _parts(path, names, told=False)
            changed = sorted(name for name in others | evidence if others.get(name) != evidence.get(name))
            assert not changed, f"other evidence is verified: {changed}"
        raise InputError("found")

    return Target(name="bundles", seeds=[seed(whole, "zip")], read=read, share=0.01)


def _parts(path: Path, names: Container[str], *, told: bool = True) -> dict[str, Any]:
    """What a bundle holds under these names. told: also what nothing but a record tells: times, machine and version of
    the code; and what is no evidence."""
    found: dict[str, Any] = {}
    for name, _, content in zip_members(path.read_bytes()):
        data = _plain(content) if name.endswith(".json") else content
        if told or (name in names and name.startswith(("runs/", "store/")) and not name.startswith("store/logs/")):
            found[name] = data if told or name.endswith("config.json") else _untold(data)
    return found


def _plain(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content


def _untold(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    rest = {key: value for key, value in data.items() if key not in _TOLD}
    return rest | {"steps": [_untold(each) for each in rest["steps"]]} if isinstance(rest.get("steps"), list) else rest


_TOLD: Final = frozenset({"seal", "code", "environment", "image", "started", "wall_seconds", "seconds", "reused"})

_JUDGEMENTS: Final[Sequence[tuple[Any, int, int]]] = (
    (judgement.parse_correctness, 0, 1),
    (judgement.parse_score, 1, judgement.HIGHEST_SCORE),
)
