"""Whether a run folder is as its run left it: every edit is noticed by name, and every honest folder is judged."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from support import COMMAND, ManifestMaker

from selfimp_bench.canonical import file_sha256
from selfimp_bench.cli.app import cli
from selfimp_bench.seals import seal_of

COMMANDS = (("check",), ("report",), ("explain", "accuracy-rises"))
ALTERED = "0123456789abcdef" * 4


def _call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of two replicates of a small experiment."""
    folder = tmp_path_factory.mktemp("done")
    manifest = ManifestMaker(folder=folder)(name="done", figures=True)
    assert _call("reproduce", manifest, "--seeds", "2", "--home", folder / "home").exit_code in (0, 1, 3)
    (run,) = (folder / "home").glob("runs/*/*")
    return run


@pytest.fixture
def run(done: Path, tmp_path: Path) -> Path:
    """A copy of that folder elsewhere, to be changed."""
    return shutil.copytree(done, tmp_path / "copy")


def _record(change: Callable[[dict[str, Any]], None], *, seal: bool = False) -> Callable[[Path], None]:
    """Edit the record; with ``seal`` as one does who knows of it."""

    def edit(run: Path) -> None:
        path = run / "record.json"
        record = json.loads(path.read_bytes())
        change(record)
        if seal:
            record["seal"] = seal_of(json.dumps(record).encode())
        path.write_text(json.dumps(record))

    return edit


def _set(part: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record.update({part: value})


def _artifact(record: dict[str, Any]) -> None:
    record["steps"][0]["artifacts"][0]["sha256"] = ALTERED


def _resealed_table(name: str, change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Path], None]:
    """Edit a table's rows, and make its digest, the rows that steps say they wrote and the seal anew."""

    def edit(run: Path) -> None:
        table = pq.read_table(run / name)
        rows = table.to_pylist()
        change(rows)
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), run / name)

        def again(record: dict[str, Any]) -> None:
            record["files"][name] = file_sha256(run / name)
            wrote = [each for step in record["steps"] for each in step["artifacts"] if each["path"] == name]
            wrote[-1]["rows"] += len(rows) - sum(each["rows"] for each in wrote)

        _record(again, seal=True)(run)

    return edit


def _drop_the_last_iteration(run: Path) -> None:
    """A measurement that does not suit, and its values, are gone."""
    for name in ("problem_values.parquet", "measurements.parquet"):
        _resealed_table(
            name,
            lambda rows: rows.__setitem__(
                slice(None), [row for row in rows if (row["metric"], row["iteration"]) != ("pass@1", 3)]
            ),
        )(run)


def _other_problems(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if (row["metric"], row["iteration"]) == ("pass@1", 3):
            row["problem_id"] += "x"


def _step(number: int, **parts: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record["steps"][number].update(parts)


PROBED = {"prompts": 4, "completions": 8, "diverged": 8, "divergence_rate": 1.0, "logprob_max_difference": 0.5}


def _table(name: str, change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    return lambda run: pq.write_table(change(pq.read_table(run / name)), run / name)


def _first(column: str, value: float) -> Callable[[pa.Table], pa.Table]:
    """The first row that has a value in this column gets another."""

    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        place = next(index for index, each in enumerate(values) if each not in (None, value))
        values[place] = value
        return table.set_column(table.column_names.index(column), column, pa.array(values, table[column].type))

    return change


def _nine_tenths(table: pa.Table) -> pa.Table:
    return table.slice(0, len(table) * 9 // 10)


def _copied(table: pa.Table) -> pa.Table:
    """The rows of the first replicate, thrice."""
    own = table.filter(pc.equal(table["replicate"], 0))
    place = table.column_names.index("replicate")
    return pa.concat_tables(
        own.set_column(place, "replicate", pa.array([replicate] * len(own), own["replicate"].type))
        for replicate in range(3)
    )


def _three_copies(run: Path) -> None:
    for name in ("measurements.parquet", "problem_values.parquet"):
        _table(name, _copied)(run)
    _record(_set("seeds", [1, 2, 3]))(run)


def _pipe(run: Path) -> None:
    (run / "measurements.parquet").unlink()
    os.mkfifo(run / "measurements.parquet")


def _findings(run: Path) -> None:
    path = run / "findings.json"
    path.write_text(path.read_text().replace("INCONCLUSIVE", "REPRODUCED").replace("NOT_REPRODUCED", "REPRODUCED"))


def _table_of_paper(run: Path) -> None:
    (run / "reference_results" / "added.csv").write_text("id\n")
    _record(lambda record: record["files"].update({"reference_results/added.csv": ALTERED}))(run)


EDITS: dict[str, tuple[Callable[[Path], None], str]] = {
    "measurement": (_table("measurements.parquet", _first("value", 0.5)), "measurements.parquet: was changed"),
    "measurement beside its values": (_table("measurements.parquet", _first("value", 0.5)), "the mean of its values"),
    "problem values": (_table("problem_values.parquet", _first("value", 0.25)), "problem_values.parquet: was changed"),
    "rows deleted": (_table("problem_values.parquet", _nine_tenths), "problem_values.parquet: was changed"),
    "measurements deleted": (_table("measurements.parquet", _nine_tenths), "measurements.parquet: was changed"),
    "three copies": (_three_copies, "have the same value on every problem"),
    "equal seeds": (_record(_set("seeds", [1, 1])), "'seeds' is [1, 1]; expected [1, 2], by done.v1.yaml"),
    "other seeds, sealed": (_record(_set("seeds", [5, 6]), seal=True), "'seeds' is [5, 6]; expected [1, 2]"),
    "another device, sealed": (_record(_set("device", "cuda"), seal=True), "'device' is cuda; expected cpu"),
    "another experiment, sealed": (_record(_set("experiment", "x"), seal=True), "'experiment' is x; expected done"),
    "a variant, sealed": (
        _record(_set("variant", [{"field": "seed", "value": 2, "instead_of": 1}]), seal=True),
        "'variant' is [{'field': 'seed', 'value': 2, 'instead_of': 1}]; expected []",
    ),
    "an unknown model, sealed": (_record(lambda record: record["models"].append("x"), seal=True), "'models' is ["),
    "a huge version": (_record(_set("version", 10**400)), "beyond 64 bits"),
    "an unknown key, sealed": (_record(_set("reviewed", True), seal=True), "it has $.reviewed, a key that none of"),
    "an unknown key of a step, sealed": (
        _record(lambda record: record["steps"][0].update(note="x"), seal=True),
        "it has $.steps[0].note, a key that none of its kind has",
    ),
    "tokens, sealed": (_record(_set("generated_tokens", 1), seal=True), "'generated_tokens' is 1; expected"),
    "trained tokens, sealed": (_record(_set("trained_tokens", 0), seal=True), "'trained_tokens' is 0; expected"),
    "a probe, sealed": (
        _record(
            _set(
                "probes",
                {"tiny-gsm-base": PROBED | {"stamp": "distributional", "first_divergence_positions": [0] * 8}},
            ),
            seal=True,
        ),
        "'probes' of tiny-gsm-base is not what its step wrote to probe.json",
    ),
    "a probe that contradicts itself, sealed": (
        _record(
            _set("probes", {"tiny-gsm-base": PROBED | {"stamp": "bitwise", "first_divergence_positions": [0] * 8}}),
            seal=True,
        ),
        "a probe with these numbers is distributional, not bitwise",
    ),
    "lengths of prompts, sealed": (
        _record(lambda record: record["prompts"]["tiny-gsm-base"][0].update(longest=9999), seal=True),
        "'prompts' of tiny-gsm-base is not what its step wrote to prompts.json",
    ),
    "no lengths of prompts, sealed": (_record(_set("prompts", {}), seal=True), "'prompts' of tiny-gsm-base is not"),
    "time before time, sealed": (_record(_set("wall_seconds", -5.0), seal=True), "Expected `float` >= 0.0"),
    "no date, sealed": (_record(_set("started", "yesterday"), seal=True), "at `$.started`"),
    "a commit of no form, sealed": (
        _record(lambda record: record["code"].update(commit="x"), seal=True),
        "$.code.commi",
    ),
    "a count below 0, sealed": (_record(_step(0, counts={"problems": -1}), seal=True), "Expected `int` >= 0"),
    "a fingerprint, sealed": (_record(_step(3, fingerprint="ab" * 32), seal=True), "has the fingerprint abab"),
    "a version, sealed": (_record(_step(3, version="fake 9"), seal=True), "that of what done.v1.yaml plans"),
    "a stage, sealed": (_record(_step(-1, stage="grade"), seal=True), "'steps' are not those that done.v1.yaml plans"),
    "the last step, sealed": (_record(lambda record: record["steps"].pop(), seal=True), "'steps' are not those"),
    "a sandbox, sealed": (
        _record(_set("sandbox", {"mechanism": "bubblewrap", "attacks": 99, "failures": []}), seal=True),
        "'sandbox' is there; expected none, by its steps",
    ),
    "no digest of the case study": (
        _record(lambda record: record["files"].pop("case_study.json"), seal=True),
        "'files' lacks case_study.json",
    ),
    "no digest of a table, sealed": (
        _record(
            lambda record: record["files"].pop("reference_results/progress-or-regress/figure1-curves.csv"), seal=True
        ),
        "'files' lacks reference_results/progress-or-regress/figure1-curves.csv",
    ),
    "a measurement left out, sealed": (_drop_the_last_iteration, "at iteration 3, replicate 0; expected one"),
    "a measurement too many, sealed": (
        _resealed_table("measurements.parquet", lambda rows: rows.append(rows[0] | {"iteration": 99})),
        "pass@1 test t=99 is over 24 problems, of which 0 have a value",
    ),
    "other problems, sealed": (
        _resealed_table("problem_values.parquet", _other_problems),
        "pass@1 on test at iteration 3 has values of other problems",
    ),
    "no errors, sealed": (
        _resealed_table("measurements.parquet", lambda rows: [row.update(standard_error=None) for row in rows]),
        "has no standard error; expected about",
    ),
    "a reason, sealed": (
        _resealed_table("measurements.parquet", lambda rows: rows[0].update(reason="x")),
        "has a reason; expected one where",
    ),
    "commit": (_record(lambda record: record["code"].update(commit="ab" * 20)), "record.json: was edited"),
    "artifact": (_record(_artifact), "record.json: was edited"),
    "artifact, sealed": (_record(_artifact, seal=True), "which no step of the record wrote"),
    "steps": (_record(_set("steps", [])), "'steps' is empty"),
    "steps, sealed": (_record(_set("steps", []), seal=True), "'steps' is empty"),
    "some steps, sealed": (_record(lambda record: record["steps"].pop(0), seal=True), "which no step of the record"),
    "a step twice": (_record(lambda record: record["steps"].append(record["steps"][0]), seal=True), "twice; expected"),
    "models": (_record(_set("models", [])), "'models' is empty"),
    "models, sealed": (_record(_set("models", []), seal=True), "'models' is empty"),
    "83": (_table("measurements.parquet", _first("value", 83.0)), "is 83; expected a share, from 0 to 1"),
    "unit": (
        _table("measurements.parquet", lambda table: table.set_column(6, "unit", pa.array(["percent"] * len(table)))),
        "is in 'percent'; expected 'share'",
    ),
    "0 bytes": (lambda run: (run / "measurements.parquet").write_bytes(b""), "measurements.parquet: was emptied"),
    "0 rows": (_table("measurements.parquet", lambda table: table.slice(0, 0)), "its steps wrote"),
    "cut": (lambda run: os.truncate(run / "problem_values.parquet", 100), "problem_values.parquet: was changed"),
    "gone": (lambda run: (run / "case_study.json").unlink(), "case_study.json: not found"),
    "case study": (lambda run: (run / "case_study.json").write_text("{}"), "case_study.json: was changed"),
    "outside": (_record(_set("manifest_file", "../x.yaml"), seal=True), "$.manifest_file: expected a path inside"),
    "a file outside": (
        _record(lambda record: record["files"].update({"../x": ALTERED}), seal=True),
        "'files' names ../x; expected a path inside",
    ),
    "a name that no file has": (
        _record(lambda record: record["files"].update({"x" * 300: ALTERED}), seal=True),
        "(300 characters); expected a path inside",
    ),
    "a manifest's name of a megabyte": (
        _record(_set("manifest_file", "x" * 10**6), seal=True),
        "(1000000 characters); expected the digest",
    ),
    "a step's folder outside": (
        _record(lambda record: record["steps"][0].update(fingerprint="/tmp"), seal=True),
        "has the fingerprint /tmp; expected 64 hex digits",
    ),
    "another schema": (_record(_set("schema", 99), seal=True), "not a run record of this version"),
    "a pipe": (_pipe, "measurements.parquet: not found"),
    "a file that never was": (_table_of_paper, "added.csv: was changed"),
    "no digest of the measurements": (
        _record(lambda record: record["files"].pop("measurements.parquet"), seal=True),
        "'files' lacks measurements.parquet",
    ),
    "a key twice": (
        lambda run: (run / "record.json").write_text(
            (run / "record.json").read_text().replace("{", '{"device": "cuda",', 1)
        ),
        "stands twice in one object",
    ),
    "no seal": (_record(lambda record: record.pop("seal")), "not a run record of this version"),
    "findings": (_findings, "findings.json: was edited"),
    "no record": (lambda run: (run / "record.json").write_bytes(b""), "record.json: not a run record"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_every_edit_is_refused_by_name(edit: str, run: Path) -> None:
    change, said = EDITS[edit]
    change(run)
    for command in COMMANDS:
        result = _call(command[0], run, *command[1:], "--home", run.parent / "none")
        assert result.exit_code == 2, (command, result.output)
        assert said in result.stderr and str(run) in result.stderr
        assert result.exception is None or isinstance(result.exception, SystemExit)


def test_a_moved_a_copied_and_a_reformatted_run_is_judged_as_before(done: Path, run: Path, tmp_path: Path) -> None:
    before = (done / "findings.json").read_bytes()
    moved = run.rename(tmp_path / "moved")
    record = moved / "record.json"
    record.write_text(json.dumps(json.loads(record.read_bytes()), indent=7))
    (moved / "findings.json").unlink()
    assert _call("check", moved).exit_code == _call("check", done).exit_code
    assert (moved / "findings.json").read_bytes() == before


def test_what_another_process_is_writing_or_was_killed_at_is_no_evidence(run: Path) -> None:
    expected = _call("check", run, "--json")
    for folder in (run, run / "reference_results", run / "reference_results" / "progress-or-regress"):
        (folder / ".figure5.csv.a0969d3b").write_text("id\n")
    checked = _call("check", run, "--json")
    assert (checked.exit_code, checked.stdout) == (expected.exit_code, expected.stdout)
    (run / "reference_results" / "progress-or-regress" / "added.csv").write_text("id\n")
    assert "'files' lacks reference_results/progress-or-regress/added.csv" in _call("check", run).stderr


def _bound(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, by somebody whom the permissions of files bind, root too."""
    root = ["setpriv", "--bounding-set=-dac_override"] if os.getuid() == 0 else []
    command = [*root, *COMMAND, *arguments]
    environment = os.environ | {"SELFIMP_BENCH_HOME": str(home)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
def test_a_run_that_cannot_be_written_to_is_judged_explained_and_reported(run: Path, tmp_path: Path) -> None:
    expected = _call("check", run, "--json")
    (run / "findings.json").unlink()
    (run / "report.html").unlink()
    home = tmp_path / "own"
    for path in (*run.rglob("*"), run):
        path.chmod(0o555)
    checked = _bound(home, "check", str(run), "--json")
    explained = _bound(home, "explain", str(run), "accuracy-rises")
    reported = _bound(home, "report", str(run))
    assert checked.returncode == expected.exit_code, checked.stderr
    assert json.loads(checked.stdout)["findings"] == json.loads(expected.stdout)["findings"]
    (unwritten,) = json.loads(checked.stdout)["unwritten"]
    assert "findings.json: not written (Permission denied)" in unwritten
    assert (explained.returncode, reported.returncode) == (0, 0), explained.stderr + reported.stderr
    assert Path(reported.stdout.strip()) == home / "reports" / run.parent.name / run.name / "report.html"
    assert not (run / "findings.json").exists() and not (run / "report.html").exists()


def test_a_report_goes_where_one_wants_it(run: Path, tmp_path: Path) -> None:
    (run / "report.html").unlink()
    page = Path(_call("report", run, "--out", tmp_path / "pages").stdout.strip())
    assert page.is_relative_to(tmp_path / "pages") and "</html>" in page.read_text()
    assert list((page.parent / "figures").glob("*.svg")) and not (run / "report.html").exists()
