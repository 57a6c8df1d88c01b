"""The command line as a user meets it: output, JSON, exit codes, and errors without tracebacks."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from support import COMMAND, PYTHON, ManifestMaker, slow_but

from selfimp_bench.cli.app import cli
from selfimp_bench.cli.command import PROFILES
from selfimp_bench.manifest.catalog import entries, studies
from selfimp_bench.manifest.model import Profile
from selfimp_bench.places import MANIFESTS
from selfimp_bench.runs.forecast import forecast
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.store import Store
from selfimp_bench.tasks.grading.graders import GRADERS

FIRST = {entry.path: entry.name for entry in reversed(entries())}
"""The first experiment of every study."""


def _call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def _json(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a run that has been done once."""
    folder = tmp_path_factory.mktemp("done")
    assert (
        _call("run", ManifestMaker(folder=folder)(name="done", figures=True), "--home", folder / "home").exit_code == 0
    )
    return folder / "home"


@pytest.fixture
def finished(done: Path, tmp_path: Path) -> tuple[str, Path]:
    """The name of a run that has been done, and a home of the test's own that holds it."""
    return "done", shutil.copytree(done, tmp_path / "home")


def test_list_names_every_shipped_experiment() -> None:
    text = _call("list").stdout
    found = _json(_call("list", "--json"))
    assert {each["name"] for each in found} == {entry.name for entry in (*entries(), *studies())}
    assert all(each["name"] in text for each in found)
    lines = [line.split()[0] for line in text.splitlines() if line.strip()]
    assert lines.index("gsm8k-gv-gap") < lines.index("gsm8k-gv-gap-instruct") < lines.index("mind-the-gap")


def test_list_begins_with_the_miniature_and_fits_a_narrow_terminal() -> None:
    lines = CliRunner().invoke(cli, ["list"], env={"COLUMNS": "80"}).stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert [line.split()[0] for line in lines[1:4]] == ["The", "experiment", "tiny-iter-sft"]
    names = [line.split()[0] for line in lines if line.split()[1:2] and line.split()[1].isdigit()]
    assert [name.startswith("tiny") for name in names] == sorted((n.startswith("tiny") for n in names), reverse=True)
    assert {entry.name for entry in (*entries(), *studies())} <= set(names)


@pytest.mark.slow
def test_ctrl_c_says_what_is_kept_and_how_to_go_on(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    home = tmp_path / "home"
    words = ["reproduce", str(make_manifest(engine="real")), "--home", str(home), "--cores", "1"]
    command = [PYTHON, "-c", "from selfimp_bench.cli.app import main; main()", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        while run.poll() is None and not any(home.glob("store/partial/*/processes")):  # a trainer starts
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        said = run.stderr.read()
    assert run.returncode == 130 and "Traceback" not in said
    done = [line for line in said.splitlines() if line.startswith("step ")]
    steps = int(done[0].split(":")[0].split()[-1])
    store = home / "store"
    kept = re.search(rf"^kept: (\d+) of {steps} steps, in {re.escape(str(store))}$", said, re.MULTILINE)
    assert kept is not None and int(kept[1]) == len(done) == len(list(store.glob("*/step.json")))
    assert re.search(r"^begins anew: \S+/train$", said, re.MULTILINE)
    assert said.endswith(f"\ngo on: selfimp-bench {shlex.join(words)}\n")


@pytest.mark.parametrize("name", slow_but(FIRST.values(), sorted({entry.name for entry in entries()})))
def test_show_prints_every_claim_and_every_assumption(name: str) -> None:
    (shown,) = _json(_call("show", name, "--json"))["experiments"]
    text = " ".join(_call("show", name).stdout.split())
    assert shown["manifest"]["name"] == name
    assert all(claim["id"] in text for claim in shown["manifest"]["claims"])
    assert shown["assumptions"] and f"({len(shown['assumptions'])})" in text


def test_show_prints_what_contradicts_the_numbers_that_an_experiment_compares_with() -> None:
    text = " ".join(_call("show", "nq-gv-gap").stdout.split())
    assert "The source contradicts itself about these numbers (3)" in text and "nq-llama-2-columns" in text
    found = {each["id"] for each in _json(_call("show", "nq-gv-gap", "--json"))["experiments"][0]["conflicts"]}
    assert found == {"top-0.8-is-top-0.2", "nq-llama-2-columns", "nq-near-zero"}
    assert _json(_call("show", "tiny-iter-sft", "--json"))["experiments"][0]["conflicts"] == []


def test_an_unknown_experiment_is_refused_with_the_nearest_names() -> None:
    result = _call("show", "tiny-iter-sff")
    assert result.exit_code == 2
    assert "did you mean" in result.stderr and "tiny-iter-sft" in result.stderr


def test_a_file_where_a_folder_is_to_be_and_the_like_are_refused_with_advice(
    finished: tuple[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "x").write_text("")
    for words, place in (
        (("export", "done", "--format", "csv", "--out", tmp_path / "x"), "x"),
        (("report", "done", "--markdown", tmp_path / "x" / "f.md"), "x"),
        (("report", "done", "--markdown", tmp_path / ("n" * 300)), "nnn"),
    ):
        refused = _call(*words, "--home", finished[1])
        assert (refused.exit_code, "name another file or folder" in refused.stderr) == (2, True), words
        assert place in refused.stderr.partition(": ")[2]


NAMING = ("check", "doctor", "fetch", "plan", "report", "reproduce", "run", "show", "validate")


@pytest.mark.parametrize("command", slow_but(["reproduce", "show"], NAMING))
def test_a_mistyped_name_is_answered_before_anything_large_is_imported(command: str) -> None:
    large = sorted({"jsonschema", "numpy", "pyarrow", "rich", "scipy"})
    code = (
        "import sys; from selfimp_bench.cli.app import cli\n"
        f"try: cli(['{command}', 'tiny-iter-sff'])\n"
        f"except SystemExit as end: print(end.code, [name for name in {large} if name in sys.modules])"
    )
    run = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "2 []\n"


def test_an_unknown_version_is_refused_with_those_there_are() -> None:
    result = _call("show", "tiny-iter-sft@99")
    assert (result.exit_code, "it has 1" in result.stderr) == (2, True)


def test_an_unknown_model_is_refused_with_those_there_are() -> None:
    result = _call("plan", "tiny-iter-sft", "--only", "model=big")
    assert (result.exit_code, "tiny-gsm-base" in result.stderr) == (2, True)


def test_a_profile_the_manifest_lacks_is_refused() -> None:
    result = _call("plan", "tiny-iter-sft", "--profile", "smoke")
    assert (result.exit_code, "no profile smoke; expected one of: paper" in result.stderr) == (2, True)


def test_errors_are_json_when_json_is_asked_for() -> None:
    result = _call("show", "nothing", "--json")
    assert result.exit_code == 2
    assert _json(result)["exit_code"] == 2 and "nothing" in _json(result)["error"]


@pytest.mark.slow
def test_validate_without_paths_checks_all_that_is_shipped() -> None:
    result = _call("validate", "--json")
    assert result.exit_code == 0
    report = _json(result)
    assert report["flaws"] == []
    assert report["files"] >= len({entry.path for entry in entries()})


def test_validate_takes_names_of_experiments_and_studies() -> None:
    assert _call("validate", "tiny-gap", "nq-gv-gap").stdout.splitlines()[-1] == "2 files, 0 problems"
    refused = _call("validate", "mind-the-gop")
    assert (refused.exit_code, "did you mean mind-the-gap" in refused.stderr) == (2, True)
    refused = _call("validate", "nowhere/mind-the-gap.yaml")
    assert (refused.exit_code, "no such file or folder" in refused.stderr) == (2, True)


def test_validate_prints_what_is_wrong_and_a_summary_and_the_rest_only_when_asked_to() -> None:
    short, long = (_call("validate", *options, "nq-gv-gap").stdout.splitlines() for options in ((), ("-v",)))
    assert (
        len(short) == 4
        and re.match(r"\d+ claims on the paper's own numbers: \d+ supported", short[0])
        and re.match(r"\d+ claims, models apart, in worlds of which the truth is known; true in: published", short[1])
        and re.fullmatch(r"\d+ notes \(-v has all of it\)", short[2])
        and short[3] == "1 file, 0 problems"
    )
    assert long[-1] == short[-1] and len(long) > len(short)
    report = _json(_call("validate", "nq-gv-gap", "--json"))
    assert set(report["notes"]) < set(long), "--json has everything"


def test_validate_prints_every_flaw_with_its_place(tmp_path: Path) -> None:
    broken = tmp_path / "x.v1.yaml"
    broken.write_text("schema: 2\nname: x\nname: y\n")
    result = _call("validate", broken)
    assert result.exit_code == 2
    assert f"{broken}:1:" in result.stdout and f"{broken}:3:1" in result.stdout


def test_validate_finds_claims_about_rows_that_are_not_there(make_manifest: ManifestMaker) -> None:
    def claim_nothing(data: dict[str, Any]) -> None:
        point = {"metric": "pass@1", "split": "test", "iteration": 1, "reference": "nowhere"}
        table = "tiny/tiny-iter-sft-dpo.v1.csv"
        value = {"table": table, "points": [point], "against": {"apart": 0.1}}
        data["claims"] = [{"id": "c", "statement": "s", "source": "t", "value": value}]

    result = _call("validate", make_manifest(change=claim_nothing))
    assert result.exit_code == 2
    assert "has no row 'nowhere'" in result.stdout


def test_validate_finds_claims_about_measurements_whose_spread_no_prior_knows(make_manifest: ManifestMaker) -> None:
    def claim_accuracy(data: dict[str, Any]) -> None:
        cells = ({"metric": "pass@1", "split": "test", "iteration": iteration} for iteration in (2, 1))
        order = dict(zip(("greater", "lesser"), cells, strict=True))
        data["claims"] = [{"id": "c", "statement": "s", "source": "t", "order": order}]
        data["priors"] = "mine"

    manifest = make_manifest(change=claim_accuracy)
    header = "setting,metric,split,trained,sd,unit,df,kind,source,locator,reason"
    table = manifest.parent / "priors.csv"
    table.write_text(f"{header}\nmine,coverage,any,any,0.01,share,4,assumed,a guess,,nothing found\n")
    result = _call("validate", manifest)
    assert result.exit_code == 2
    assert "setting mine has no row that fits pass@1 on test at iteration 2; add one" in result.stdout
    table.write_text(f"{header}\nmine,pass@1,any,any,0.01,share,4,assumed,a guess,,nothing found\n")
    assert _call("validate", manifest).exit_code == 0
    table.write_text(f"{header}\nother,pass@1,any,any,0.01,share,4,assumed,a guess,,nothing found\n")
    assert '"mine" is no setting of' in _call("validate", manifest).stdout


def test_plan_says_what_is_done_and_what_is_to_do(finished: tuple[str, Path], make_manifest: ManifestMaker) -> None:
    _, home = finished
    manifest = make_manifest(name="other", schedule=("sft-gold", "dpo", "dpo"))
    expected = _json(_call("plan", manifest, "--home", home, "--json"))["forecast"]
    states = {made["step"]["id"].partition("/seed1/")[2]: made["state"] for made in expected["steps"]}
    assert states["t2/train"] == "done" and states["t3/train"] == "to do"
    assert expected["tokens_to_generate_at_most"] > 0
    text = _call("plan", manifest, "--home", home).stdout
    assert re.search(r"^other: \d+ of \d+ steps to do\nGPU hours +0: ", text) and "/t3/train" not in text
    with_steps = _call("plan", manifest, "--home", home, "--steps").stdout
    assert all(re.search(rf"/{step} +{state}", with_steps) for step, state in states.items() if step)


def test_plan_takes_times_of_the_same_engine_device_and_model_alone(
    finished: tuple[str, Path], make_manifest: ManifestMaker
) -> None:
    _, home = finished

    def times(name: str | Path) -> dict[str, float | None]:
        experiment = open_experiment(str(name), profile=Profile.PAPER, only=None, replicates=1)
        steps = forecast(experiment.plan(), Store(home / "store")).steps
        return {made.step.id.partition("/seed1/")[2]: made.seconds for made in steps}

    longer = times(make_manifest(name="longer", schedule=("sft-gold", "dpo", "dpo")))
    assert longer["t3/train"] is not None and longer["t3/sample.sample"] is not None
    by_another_engine = times(make_manifest(name="real", engine="real", schedule=("sft-gold", "dpo")))
    assert by_another_engine["t2/train"] is None and by_another_engine["t1/sample.train"] is None
    assert set(times("gsm8k-iter-sft").values()) == {None}


def test_plan_and_doctor_say_one_number_of_the_disk(tmp_path: Path) -> None:
    model = ("--only", "model=llama-2-7b", "--home", tmp_path)
    disk = _json(_call("plan", "gsm8k-iter-sft", *model, "--json"))["disk"]
    assert set(disk.pop("unknown")) == {
        *(f"dataset {name}" for name in ("gsm8k-train", "gsm8k-test", "math-algebra")),
        "encoder stsb-bert-large",
    }
    assert disk["total"] == sum(count for name, count in disk.items() if name != "total")
    assert disk["checkpoints"] == 5 * 2 * 6_738_415_616 and disk["resuming"] == 2 * 12 * 6_738_415_616
    assert disk["fetched"] == 2 * 6_738_415_616 and disk["samples"] > 10**9 and disk["vectors"] > 10**9
    words = f"at most {disk['total'] / 1e9:,.0f} GB"
    said = " ".join(_call("doctor", "gsm8k-iter-sft", *model).stdout.split())
    assert f"{words} needed, and 4 models or data sets of unknown size" in said
    assert "and 4 models or data sets of unknown size" in " ".join(
        _call("plan", "gsm8k-iter-sft", *model).stdout.split()
    )


def test_plan_makes_money_of_gpu_hours_with_a_price(tmp_path: Path) -> None:
    command = ("plan", "gsm8k-iter-sft", "--only", "model=llama-2-7b", "--home", tmp_path)
    refused = _call(*command, "--price", "2")
    assert refused.exit_code == 2 and "--hardware" in refused.stderr
    text = _call(*command, "--hardware", "8xA100-80GB", "--price", "2").stdout
    hours = re.search(r"^GPU hours +(\d+) to (\d+) on 8xA100-80GB", text, re.MULTILINE)
    money = re.search(r"^money +(\d+) to (\d+) at 2 a GPU hour$", text, re.MULTILINE)
    assert hours is not None and money is not None
    assert all(abs(int(paid) - 2 * int(used)) <= 1 for used, paid in zip(hours.groups(), money.groups(), strict=True))
    assert re.search(r"^disk +at most 2\d\d GB \(", text, re.MULTILINE)
    wall = re.search(r"^wall clock +(\d+) h", text, re.MULTILINE)
    assert wall is not None and int(wall[1]) == int(hours[1]) // 8


def test_plan_of_a_new_home_writes_nothing(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    assert _call("plan", make_manifest(), "--home", tmp_path / "new").exit_code == 0
    assert not (tmp_path / "new").exists()


def _on_cuda(data: dict[str, Any]) -> None:
    data["engines"]["device"] = "cuda"


def test_plan_on_hardware_has_memory_hours_and_disk(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    manifest = make_manifest(engine="hf", change=_on_cuda)
    command = ("plan", manifest, "--home", tmp_path, "--hardware", "2xH200")
    result = _call(*command, "--json")
    found = _json(result)["hardware"]
    whole = found["whole"]
    assert (result.exit_code, whole["hardware"], whole["misfits"]) == (0, "2xH200", [])
    assert {"costs", "gpu_hours", "gpu_hours_to_do", "disk_bytes", "peak_bytes", "rates"} <= set(whole)
    assert {"footprint", "per_device", "accumulation", "gpu_hours", "tokens"} <= set(whole["costs"][0])
    assert {"made", "possible", "trained", "rest"} == set(_json(result)["savings"])
    text = _call(*command).stdout
    assert (
        "With all of these, " in text
        and "On 2xH200" in text
        and "GPU hours" in text
        and "(assumed)" in text
        and "accumulation" in text
    )


def test_plan_without_hardware_says_nothing_of_it(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    result = _call("plan", make_manifest(), "--home", tmp_path, "--json")
    assert _json(result)["hardware"] is None and _json(result)["savings"] is None
    text = _call("plan", make_manifest(), "--home", tmp_path).stdout
    assert "\nGPU hours   0: every engine runs on the CPU\n" in text and "peak GB" not in text


def test_plan_on_hardware_too_small_says_why_and_exits_with_2(tmp_path: Path) -> None:
    command = ("plan", "gsm8k-iter-sft", "--only", "model=llama-2-7b", "--home", tmp_path, "--hardware", "1xA100-40GB")
    result = _call(*command)
    assert result.exit_code == 2
    assert "Cannot run on 1xA100-40GB" in result.stdout and "38.2 GB" in result.stdout
    assert _json(_call(*command, "--json"))["hardware"]["whole"]["misfits"]


@pytest.mark.parametrize("command", ["run", "reproduce"])
def test_what_cannot_run_on_the_hardware_named_is_refused_before_it_runs(command: str, tmp_path: Path) -> None:
    result = _call(command, "gsm8k-iter-sft", "--home", tmp_path / "home", "--hardware", "1xA100-40GB")
    assert (result.exit_code, "cannot run on 1xA100-40GB" in result.stderr) == (2, True)
    assert not (tmp_path / "home").exists()


def test_unknown_hardware_is_refused_with_the_devices_there_are() -> None:
    result = _call("plan", "tiny-iter-sft", "--hardware", "8xZ9")
    assert (result.exit_code, "A100-80GB" in result.stderr) == (2, True)


def test_plan_of_a_suite_on_hardware_says_what_sharing_saves(tmp_path: Path) -> None:
    command = ("plan", "progress-or-regress", "--home", tmp_path, "--hardware", "8xA100-80GB")
    found = _json(_call(*command, "--json"))["hardware"]
    runs = sum(member["runs"] for member in found["experiments"])
    assert runs >= 36
    assert 0 < found["saved"]["expected"] < found["alone"]["expected"]
    text = " ".join(_call(*command).stdout.split())
    assert "sharing saves" in text and f"{runs} runs" in text and "GB on disk" in text
    assert "published: 2000 GPU hours (2407.05013, Appendix B.1" in text


def test_plan_says_which_claims_can_be_decided_with_how_many_replicates() -> None:
    text = _call("plan", "tiny-iter-sft").stdout
    assert "K = 1" in text and "K = 5" in text and "yes 20" in text and "to be told from" in text
    (planned,) = _json(_call("plan", "tiny-iter-sft", "--json"))["experiments"]
    rises = next(each for each in planned["claims"] if each["claim"] == "accuracy-rises")
    assert [each["reproduced"] for each in rises["prospects"]] == [20, 20, 20]


def test_check_judges_a_finished_run_by_name_or_by_folder(finished: tuple[str, Path]) -> None:
    name, home = finished
    by_name = _call("check", name, "--home", home, "--json")
    folder = _json(by_name)["run"]
    assert _json(_call("check", folder, "--json"))["findings"] == _json(by_name)["findings"]
    assert by_name.exit_code == _json(by_name)["exit_code"]


@pytest.mark.parametrize("command", ["plan", "run"])
def test_more_seeds_than_tell_anything_are_refused_at_once(command: str, tmp_path: Path) -> None:
    result = _call(command, "tiny-iter-sft", "--seeds", "1000000000", "--home", tmp_path)
    assert (result.exit_code, "expected at most 500: every replicate is" in result.stderr) == (2, True)


def test_a_message_quotes_no_more_than_one_can_read(tmp_path: Path) -> None:
    samples = tmp_path / "s.jsonl"
    samples.write_text(json.dumps({"problem_id": "\x1b[2J" + "x" * 10**6, "sample_index": 0, "completion": "4"}) + "\n")
    problems = tmp_path / "p.jsonl"
    problems.write_text(json.dumps({"problem_id": "p", "question": "?", "answer": "#### 4"}) + "\n")
    result = _call(
        "grade", "--task", "gsm8k", "--problems", problems, "--samples", samples, "--out", tmp_path / "g.jsonl"
    )
    assert result.exit_code == 2 and len(result.stderr) < 2000 and "\x1b" not in result.stderr


def test_check_of_a_run_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    result = _call("check", "tiny-iter-sft", "--home", tmp_path)
    assert (result.exit_code, "selfimp-bench run tiny-iter-sft" in result.stderr) == (2, True)


def test_check_refuses_a_run_whose_manifest_was_edited(finished: tuple[str, Path]) -> None:
    name, home = finished
    (manifest,) = home.glob("runs/*/*/*.yaml")
    manifest.write_text(manifest.read_text().replace("seed: 1", "seed: 2"))
    result = _call("check", name, "--home", home)
    assert (result.exit_code, "run again" in result.stderr) == (2, True)


def _record_with(part: str, value: object) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        path = run / "record.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {part: value}))

    return change


def _record_without(part: str) -> Callable[[Path], None]:
    return _record_with(part, [])


def _first_measurement_with(column: str, value: object) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        path = run / "measurements.parquet"
        table = pq.read_table(path)
        rows = table.to_pylist()
        rows[0][column] = value
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)

    return change


def _twice(file: str) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        table = pq.read_table(run / file)
        pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), run / file)

    return change


def _without_words(column: str) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        path = run / "problem_values.parquet"
        table = pq.read_table(path)
        rows = table.to_pylist()
        rows[0][column] = None
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)

    return change


@pytest.mark.parametrize("command", slow_but([("check",)], [("check",), ("report",), ("explain", "accuracy-rises")]))
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_record_without("models"), "record.json: 'models' is empty"),
        (_record_without("steps"), "record.json: 'steps' is empty"),
        (_record_without("seeds"), "record.json: 'seeds' is empty"),
        (_first_measurement_with("value", 83.0), "is 83; expected a share, from 0 to 1"),
        (_first_measurement_with("unit", "percent"), "is in 'percent'; expected 'share'"),
        (_first_measurement_with("n", 12), "is over 12 problems"),
        (_first_measurement_with("value", 0.123), "is 0.123; expected "),
        (_first_measurement_with("value", None), "is undefined, and "),
        (_first_measurement_with("standard_error", 9.0), "has the standard error 9; expected about "),
        (_twice("measurements.parquet"), "two measurements for one replicate"),
        (_twice("problem_values.parquet"), "two values for one problem"),
        (_without_words("model"), "1 rows without model"),
        (_without_words("iteration"), "1 rows without iteration"),
        (_record_with("profile", "quick"), "must be one of paper, smoke, found 'quick'"),
    ],
)
def test_what_no_run_can_have_written_is_refused_and_never_judged(
    finished: tuple[str, Path], command: tuple[str, ...], change: Callable[[Path], None], said: str
) -> None:
    name, home = finished
    (run,) = home.glob("runs/*/*")
    change(run)
    result = _call(command[0], name, *command[1:], "--home", home)
    assert result.exit_code == 2
    assert said in result.stderr and str(run) in result.stderr and "run it again" in result.stderr


def test_explain_shows_every_term_of_a_claim_with_its_source(finished: tuple[str, Path]) -> None:
    name, home = finished
    found = _json(_call("explain", name, "accuracy-rises", "--home", home, "--json"))
    result = _call("explain", name, "accuracy-rises", "--home", home)
    text = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert found["statement"] in text and found["findings"][0]["verdict"] in text
    assert all(term["name"] in text for term in found["findings"][0]["terms"])
    assert "What would decide it" in text


def test_explain_of_no_such_claim_names_the_nearest(finished: tuple[str, Path]) -> None:
    name, home = finished
    result = _call("explain", name, "accuracy-rise", "--home", home)
    assert (result.exit_code, "did you mean accuracy-rises?" in result.stderr) == (2, True)


def test_report_writes_a_page(finished: tuple[str, Path]) -> None:
    name, home = finished
    path = Path(_json(_call("report", name, "--home", home, "--json"))["report"])
    assert path.name == "report.html" and "</html>" in path.read_text()


def test_a_report_has_what_models_wrote_unless_it_is_not_wanted_or_not_there(finished: tuple[str, Path]) -> None:
    name, home = finished

    def page(*options: str) -> str:
        return Path(_json(_call("report", name, "--home", home, "--json", *options))["report"]).read_text()

    (run,) = home.glob("runs/*/*")
    steps = json.loads((run / "record.json").read_text())["steps"]
    count = sum(step["counts"]["completions"] for step in steps if "/sample." in step["id"])
    assert f"All {count:,} completions and judgements" in page() and 'id="samples-index"' in page("--samples")
    assert 'id="samples' not in page("--no-samples")
    shutil.rmtree(home / "store")
    assert "No completions here: the store beside this run lacks" in page()
    result = _call("report", name, "--home", home, "--samples")
    assert result.exit_code == 2 and "not found; what models wrote lies in the home of a run" in result.stderr


def test_a_smoke_run_judges_nothing_and_says_so(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    def smoke(data: dict[str, Any]) -> None:
        data["profiles"] = {"smoke": {"sampling": data["sampling"] | {"samples_per_problem": 2}}}

    manifest = make_manifest(name="smoke", change=smoke)
    result = _call("reproduce", manifest, "--profile", "smoke", "--home", tmp_path / "home")
    assert result.exit_code == 0
    assert "not judged (smoke)" in result.stdout


@pytest.mark.slow
def test_reproduce_prints_one_json_document_on_standard_output(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    command = [*COMMAND, "reproduce", str(make_manifest()), "--json"]
    run = subprocess.run([*command, "--home", str(tmp_path / "h")], capture_output=True, text=True, check=False)
    document = json.loads(run.stdout)
    assert document["exit_code"] == run.returncode
    assert document["findings"]["findings"]
    assert "t1/train" in run.stderr


def test_version_and_help_need_no_experiment() -> None:
    assert _call("--version").stdout.startswith("selfimp-bench ")
    assert "reproduce" in _call("--help").stdout


def test_the_shell_completes_names_of_experiments() -> None:
    environment = {
        "_SELFIMP_BENCH_COMPLETE": "bash_complete",
        "COMP_WORDS": "selfimp-bench show tiny-",
        "COMP_CWORD": "2",
    }
    result = CliRunner().invoke(cli, [], prog_name="selfimp-bench", env=environment)
    assert "tiny-iter-sft" in result.stdout


PROBLEMS = [
    {"problem_id": "a", "question": "?", "answer": "so\n#### 18"},
    {"problem_id": "b", "question": "?", "answer": "#### 1,000"},
]
SAMPLES = [
    {"problem_id": "a", "sample_index": 0, "completion": "It is\n#### 18"},
    {"problem_id": "a", "sample_index": 1, "completion": "It is 18"},
    {"problem_id": "b", "sample_index": 0, "completion": "#### 10", "finish_reason": "length"},
    {"problem_id": "b", "sample_index": 1, "completion": "#### 999", "finish_reason": "stop"},
]


def _lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_grade_judges_anybodys_generations(tmp_path: Path, suffix: str) -> None:
    problems, samples = _lines(tmp_path / "p.jsonl", PROBLEMS), _lines(tmp_path / "s.jsonl", SAMPLES)
    out = tmp_path / f"grades.{suffix}"
    result = _call("grade", "--task", "gsm8k", "--problems", problems, "--samples", samples, "--out", out, "--json")
    assert _json(result)["outcomes"] == {"correct": 1, "truncated": 1, "unparsed": 1, "wrong": 1}
    if suffix == "jsonl":
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert [(row["problem_id"], row["sample_index"], row["outcome"], row["other_outcome"]) for row in rows] == [
            ("a", 0, "correct", "correct"),
            ("a", 1, "unparsed", "correct"),
            ("b", 0, "truncated", "truncated"),
            ("b", 1, "wrong", "wrong"),
        ]


@pytest.mark.parametrize(
    ("problems", "samples", "expected"),
    [
        ('{"problem_id": "a"}\n', "", r"p.jsonl:1: .*question"),
        ("not json\n", "", r"p.jsonl:1: not JSON"),
        ("[]\n", "", r"p.jsonl:1: expected a JSON object"),
        ('{"problem_id": "a", "question": "?"}\n' * 2, "", r"p.jsonl:2: problem_id 'a' stands in row 1 already"),
        (
            None,
            '{"problem_id": "x", "sample_index": 0, "completion": ""}\n',
            r"s.jsonl:1: problem 'x', which is not among",
        ),
        (None, '{"problem_id": "a", "completion": ""}\n', r"s.jsonl:1: .*sample_index"),
        (None, '{"problem_id": "a", "sample_index": 0, "completion": ""}\n' * 2, r"s.jsonl:2: .*stands there twice"),
    ],
)
def test_grade_refuses_bad_files_with_file_and_line(
    tmp_path: Path, problems: str | None, samples: str, expected: str
) -> None:
    given = tmp_path / "p.jsonl"
    _lines(given, PROBLEMS) if problems is None else given.write_text(problems)
    (tmp_path / "s.jsonl").write_text(samples)
    out = tmp_path / "g.jsonl"
    result = _call("grade", "--task", "gsm8k", "--problems", given, "--samples", tmp_path / "s.jsonl", "--out", out)
    assert result.exit_code == 2
    assert re.search(expected, result.stderr)
    assert not out.exists()


def test_a_missing_problems_file_is_named() -> None:
    result = _call("grade", "--task", "gsm8k", "--problems", "no.jsonl", "--samples", "no.jsonl", "--out", "g.jsonl")
    assert (result.exit_code, "no.jsonl: no such file" in result.stderr) == (2, True)


def test_the_profiles_offered_are_those_there_are() -> None:
    assert set(PROFILES) == set(Profile)


def test_an_unknown_task_is_refused_with_those_there_are() -> None:
    result = _call("grade", "--task", "no", "--problems", "p.jsonl", "--samples", "s.jsonl", "--out", "g.jsonl")
    assert result.exit_code == 2
    assert all(task in result.stderr for task in GRADERS)


def test_manifests_of_the_catalogue_lie_where_it_says() -> None:
    assert all(entry.path.is_relative_to(MANIFESTS) for entry in entries())
