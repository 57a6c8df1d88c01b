"""Rules of other packages: what they are given, what they may return, and runs with the package, changed, and gone."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from judged_samples import judged
from own_packages import install, with_path
from ruamel.yaml import YAML
from support import COMMAND, PYTHON, ManifestMaker, load_post_training

from selfimp_bench.canonical import pretty_json
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.errors import StepFailed
from selfimp_bench.installed import Brought, NotInstalled, entry_point, load, requirements
from selfimp_bench.manifest.model import OwnCode
from selfimp_bench.methods import Kind, Pair, ProblemSamples, Sample
from selfimp_bench.places import ASSETS
from selfimp_bench.protocols.load import InvalidManifest
from selfimp_bench.protocols.post_training.own_rules import OwnSelectBlock, chosen_by, offered, select_by_rule
from selfimp_bench.protocols.post_training.rule_worker import Refusal, Rows, RuleJob, ask
from selfimp_bench.runs.validate import validate
from selfimp_bench.seals import seal_of
from selfimp_bench.steps.training_rows import PairRow, RowMaker, SftRow
from selfimp_bench.steps.versions import brought_version
from selfimp_bench.tasks.problem import Problem

EXAMPLE = Path(__file__).parents[3] / "benchmark" / "examples" / "own-method"
PROBLEMS = tuple(Problem(problem_id=name, question=f"What is {name}?", answer="#### 7", level=2) for name in "pq")
POOL = [*judged("c7 c7:same c7:same w5 t9 x l", problem="p"), *judged("w5 c7", problem="q")]
RULES = """
    import os, random
    from selfimp_bench.methods import Pair

    def first(problems, *, most, seed, correct=True):
        return [s for p in problems for s in p.samples if s.finished and s.correct == correct][:1]

    def pairs(problems, *, most, seed):
        for p in problems:
            for one in [s for s in p.samples if s.correct][:1]:
                yield Pair(chosen=one, rejected=next(s for s in p.samples if not s.correct))

    def by_set(problems, *, most, seed):
        return [max((s for p in problems for s in p.samples if s.finished), key=lambda s: hash(s.text))]

    def by_chance(problems, *, most, seed):
        return random.sample([s for p in problems for s in p.samples if s.finished], 2)

    def seeded(problems, *, most, seed):
        return random.Random(seed).sample([s for p in problems for s in p.samples if s.finished], 2)

    def set_of_rows(problems, *, most, seed):
        return {s for p in problems for s in p.samples if s.finished}

    def ends(problems, *, most, seed):
        print("so far, so good")
        os._exit(3)
"""
GROUPS = {
    "selfimp_bench.sample_rules": {
        name: f"some_rules:{name}"
        for name in ("first", "by_set", "by_chance", "seeded", "set_of_rows", "ends", "missing")
    },
    "selfimp_bench.pair_rules": {"pairs": "some_rules:pairs"},
}


def _block(name: str, *, pairs: bool = False, most: int | None = 2, **options: Any) -> OwnSelectBlock:
    return OwnSelectBlock(
        prompt_template="Question: {question}\nAnswer:",
        add_bos=False,
        deduplicate="exact",
        max_length=200,
        rule=OwnCode(package="some-rules", version="1.0", name=name, options=options or None, source="test"),
        pairs=pairs,
        most=most,
        seed=5,
    )


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of rules, installed where this process and those that it starts find it."""
    site = tmp_path / "site"
    install(site, "some-rules", {"some_rules.py": RULES}, GROUPS, requires=("selfimp-bench", "numpy>=2; extra == 'x'"))
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.delitem(sys.modules, "some_rules", raising=False)
    return site


# ---- what a rule is given ----


def test_a_rule_is_given_what_may_be_trained_on_each_text_once() -> None:
    given, behind = offered(_block("first"), PROBLEMS, POOL)
    assert [(each.problem_id, each.answer, each.level) for each in given] == [("p", "#### 7", 2), ("q", "#### 7", 2)]
    p = given[0].samples
    assert [(each.sample_index, each.correct, each.finished, each.answer) for each in p] == [
        (0, True, True, "7"),
        (1, True, True, "7"),
        (3, False, True, "5"),
        (4, False, False, "9"),
    ]  # not the repeated text, the one that no grader judged, nor the one that nobody wrote
    assert [row.sample_index for row in behind[0]] == [0, 1, 3, 4]
    with_repeats, _ = offered(replace(_block("first"), deduplicate="none"), PROBLEMS, POOL)
    assert [each.sample_index for each in with_repeats[0].samples] == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("rules")
def test_rows_are_those_that_the_rule_chose_with_its_options() -> None:
    rows = RowMaker(
        prompt_template="Question: {question}\nAnswer:", add_bos=False, codec=load_codec(ASSETS / "tiny-gsm-base")
    )
    made = select_by_rule(_block("first"), rows, PROBLEMS, POOL)
    (row,) = made.rows
    assert isinstance(row, SftRow)
    assert (row.problem_id, row.sample_index) == ("p", 0)
    assert made.counts["problems dropped: the rule chose nothing"] == 1
    (wrong,) = select_by_rule(_block("first", correct=False), rows, PROBLEMS, POOL).rows
    assert isinstance(wrong, SftRow)
    assert (wrong.problem_id, wrong.sample_index) == ("p", 3)
    first, second = select_by_rule(_block("pairs", pairs=True), rows, PROBLEMS, POOL).rows
    assert isinstance(first, PairRow)
    assert isinstance(second, PairRow)
    assert [(each.chosen_index, each.rejected_index) for each in (first, second)] == [(0, 3), (1, 0)]


# ---- what it may not return ----


def _given() -> tuple[ProblemSamples, ...]:
    return offered(_block("first"), PROBLEMS, POOL)[0]


P, Q = (each.samples for each in _given())


def _asked(kind: Kind, returned: Any, monkeypatch: pytest.MonkeyPatch, *, most: int | None = 2) -> Rows | Refusal:
    def rule(*_: Any, **__: Any) -> Any:
        return returned() if callable(returned) else returned

    monkeypatch.setattr("selfimp_bench.protocols.post_training.rule_worker.load", lambda _: rule)
    wanted = Brought(kind=kind, package="some-rules", version="1.0", name="any")
    return ask(RuleJob(rule=wanted, most=most, seed=1, problems=_given()))


def _raises() -> Any:
    raise ZeroDivisionError("by nothing")


@pytest.mark.parametrize(
    ("kind", "returned", "words"),
    [
        (Kind.SAMPLE_RULE, None, "returned NoneType; expected an iterable of the samples"),
        (Kind.SAMPLE_RULE, "c7", "returned str 'c7'; expected"),
        (Kind.SAMPLE_RULE, {"p": 1}, "returned dict; expected"),
        (Kind.SAMPLE_RULE, [3], "an item that is int '3'; expected"),
        (Kind.SAMPLE_RULE, [Pair(chosen=P[0], rejected=P[2])], "an item that is Pair; expected"),
        (Kind.SAMPLE_RULE, [P[0], P[0]], "sample 0 of M_1 for problem p 2 times; expected each once"),
        (Kind.SAMPLE_RULE, [P[0], P[1], P[2]], "returned 3 rows of problem p; expected at most 2"),
        (Kind.SAMPLE_RULE, [replace(P[0], text="mine")], "none of those that it was given, or was changed"),
        (Kind.SAMPLE_RULE, [replace(P[0], problem_id="r")], "sample 0 of M_1 for problem r, which is none of those"),
        (Kind.SAMPLE_RULE, [replace(P[0], text=[])], "none of those that it was given"),  # type: ignore[arg-type]
        (Kind.SAMPLE_RULE, [P[3]], "sample 4 of M_1 for problem p to be imitated, which was cut"),
        (Kind.SAMPLE_RULE, _raises, "raised ZeroDivisionError: by nothing ("),
        (Kind.SAMPLE_RULE, lambda: (1 / 0 for _ in "x"), "raised ZeroDivisionError: division by zero ("),
        (Kind.PAIR_RULE, [P[0]], "an item that is Sample; expected an iterable of pairs"),
        (Kind.PAIR_RULE, [Pair(chosen=P[0], rejected=None)], "a pair whose rejected is NoneType"),  # type: ignore[arg-type]
        (Kind.PAIR_RULE, [Pair(chosen=P[0], rejected=P[0])], "and itself; expected two samples"),
        (Kind.PAIR_RULE, [Pair(chosen=P[0], rejected=Q[0])], "expected two samples of one model for one problem"),
        (Kind.PAIR_RULE, [Pair(chosen=P[3], rejected=P[2])], "to be imitated, which was cut"),
        (Kind.PAIR_RULE, [Pair(chosen=P[0], rejected=P[2])] * 2, "returned the pair sample 0 of M_1 for problem p and"),
    ],
)
def test_what_is_no_choice_of_what_it_was_given_is_refused(
    kind: Kind, returned: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _asked(kind, returned, monkeypatch)
    assert isinstance(found, Refusal)
    assert words in found.words


def test_what_a_rule_may_return_is_put_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong samples, too, for a rule need not trust gold answers; any iterable; nothing at all; and a cut reject."""
    assert _asked(Kind.SAMPLE_RULE, (each for each in (Q[1], P[2], P[0])), monkeypatch) == Rows(
        rows=((0, 0), (0, 2), (1, 1))
    )
    assert _asked(Kind.SAMPLE_RULE, [], monkeypatch) == Rows(rows=())
    assert _asked(Kind.SAMPLE_RULE, list(P[:3]), monkeypatch, most=None) == Rows(rows=((0, 0), (0, 1), (0, 2)))
    assert _asked(Kind.PAIR_RULE, {Pair(chosen=P[0], rejected=P[3])}, monkeypatch) == Rows(rows=((0, 0, 3),))


@pytest.mark.usefixtures("rules")
@pytest.mark.parametrize("name", ["by_set", "by_chance"])
def test_a_rule_that_answers_otherwise_when_asked_again_is_refused(name: str) -> None:
    with pytest.raises(StepFailed, match=f"sample rule {name} of some-rules 1.0: it returned other rows when"):
        # ten texts, so that two orders of a set hardly agree by chance
        chosen_by(_block(name), offered(_block(name), PROBLEMS[:1], judged("c7 " * 40, problem="p"))[0])


@pytest.mark.usefixtures("rules")
def test_a_seeded_choice_and_a_set_of_rows_are_pure() -> None:
    assert len(chosen_by(_block("seeded"), _given())) == 2
    assert chosen_by(_block("set_of_rows", most=None), _given()) == ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1))


@pytest.mark.usefixtures("rules")
def test_a_rule_that_ends_its_process_is_named_with_the_end_of_its_log() -> None:
    with pytest.raises(StepFailed, match=r"sample rule ends of some-rules 1.0: its process ended with exit code 3"):
        chosen_by(_block("ends"), _given())


# ---- what is installed ----


def _brought(**changes: Any) -> Brought:
    plain: dict[str, Any] = {"kind": Kind.SAMPLE_RULE, "package": "some-rules", "version": "1.0", "name": "first"}
    return Brought(**(plain | changes))


@pytest.mark.usefixtures("rules")
@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"package": "no-rules"}, NotInstalled, "of no-rules 1.0 is not installed; pip install 'no-rules==1.0'"),
        ({"version": "2.0"}, NotInstalled, "version 1.0 is installed; pip install 'some-rules==2.0', or name 1.0"),
        ({"name": "last"}, Exception, "no such entry point of selfimp_bench.sample_rules; some-rules has: by_chance,"),
        ({"kind": Kind.PAIR_LOSS}, Exception, "no such entry point of selfimp_bench.pair_losses; some-rules has: none"),
        ({"name": "missing"}, Exception, "some_rules:missing cannot be imported: AttributeError"),
        (
            {"options": (("wrong", 1),)},
            Exception,
            r"cannot be called as first\(problems, most=, seed=, wrong=\): got an",
        ),
    ],
)
def test_what_cannot_be_called_as_a_manifest_names_it_is_said(
    changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        load(_brought(**changes))


def test_a_module_that_is_not_installed_is_named(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (rules / "some_rules.py").write_text("import no_such_module\n")
    monkeypatch.delitem(sys.modules, "some_rules", raising=False)
    with pytest.raises(NotInstalled, match="cannot be imported without the module no_such_module"):
        load(_brought())


def _version_of(site: Path) -> str:
    code = (
        "from selfimp_bench.installed import Brought; from selfimp_bench.methods import Kind; "
        "from selfimp_bench.steps.versions import brought_version; "
        "print(brought_version(Brought(kind=Kind.SAMPLE_RULE, package='parts', version='1.0', name='rule')))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=with_path(site))
    return run.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("package", ["plain", "without __init__"])
def test_the_version_is_of_all_code_and_data_of_the_package_and_of_what_it_requires(
    tmp_path: Path, package: str
) -> None:
    files = {
        "parts/rule.py": "from parts import inner\ndef rule(problems, *, most, seed):\n    return inner.take()\n",
        "parts/inner.py": "def take():\n    return []\n",
        "parts/words.txt": "one\n",
    } | ({"parts/__init__.py": ""} if package == "plain" else {})
    groups = {"selfimp_bench.sample_rules": {"rule": "parts.rule:rule"}}
    install(tmp_path, "parts", files, groups, requires=("numpy>=1", "selfimp-bench", "scipy; extra == 'all'"))
    first = _version_of(tmp_path)
    assert first.startswith("parts 1.0 code ")
    assert first.partition(", ")[2].startswith("numpy 2")  # neither the kit itself nor what an extra asks for
    inner = tmp_path / "parts" / "inner.py"
    inner.write_text('def take():\n    """Nothing."""\n    return []  # at all\n')
    assert _version_of(tmp_path) == first
    inner.write_text("def take():\n    return [][:1]\n")
    second = _version_of(tmp_path)
    (tmp_path / "parts" / "words.txt").write_text("two\n")
    assert len({first, second, _version_of(tmp_path)}) == 3


@pytest.mark.usefixtures("rules")
def test_what_is_not_installed_has_a_version_that_says_so() -> None:
    assert brought_version(_brought(package="no-rules")) == "no-rules 1.0 not installed"
    assert requirements(_brought()) == ()
    assert entry_point(_brought()).value == "some_rules:first"


# ---- manifests ----

RULE = {"package": "some-rules", "version": "1.0", "name": "first", "source": "test"}


@pytest.mark.parametrize(
    ("schedule", "changes", "words"),
    [
        (("sft-gold", "dpo"), {"sample_rule": RULE}, "no sft in the schedule, so that nothing would use it"),
        (("sft-gold", "sft"), {"pair_rule": RULE}, "no dpo in the schedule, so that nothing would use it"),
        (("sft-gold", "sft"), {"sample_rule": RULE, "without_correct": "gold"}, "expected drop with sample_rule"),
        (
            ("sft-gold", "sft"),
            {"sample_rule": RULE, "majority": {"share": 0.5, "level": 0.9, "source": "test"}},
            "majority chooses already",
        ),
        (("sft-gold", "sft"), {"sample_rule": RULE | {"options": {"source": 1}}}, "would not count in fingerprints"),
        (("sft-gold", "sft"), {"sample_rule": RULE | {"options": {"a-b": 1}}}, "the name of a Python argument"),
        (("sft-gold", "sft"), {"sample_rule": {k: v for k, v in RULE.items() if k != "version"}}, "version"),
        (
            ("sft-gold", "sft"),
            {"sample_rule": RULE | {"version": "1.0'; ls; '"}},
            "expected a version as pip writes one",
        ),
        (("sft-gold", "sft"), {"sample_rule": {k: v for k, v in RULE.items() if k != "source"}}, "no word on where"),
    ],
)
def test_a_rule_that_nothing_would_use_or_that_is_not_pinned_is_a_flaw(
    make_manifest: ManifestMaker, schedule: tuple[str, ...], changes: dict[str, Any], words: str
) -> None:
    path = make_manifest(schedule=schedule, change=lambda data: data["post_training"].update(changes))
    with pytest.raises(InvalidManifest) as invalid:
        load_post_training(path)
    assert words in str(invalid.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": "own"}, "expected sigmoid, for there is no pair_loss, found own"),
        ({"pair_loss": RULE}, "expected own, for there is a pair_loss, found sigmoid"),
        ({"loss": "own", "pair_loss": RULE, "sft_coefficient": 1.0}, "the pair_loss is the whole loss"),
    ],
)
def test_a_loss_is_named_exactly_where_it_is_called_own(
    make_manifest: ManifestMaker, changes: dict[str, Any], words: str
) -> None:
    path = make_manifest(change=lambda data: data["dpo"].update(changes))
    with pytest.raises(InvalidManifest) as invalid:
        load_post_training(path)
    assert words in str(invalid.value)


# ---- whole runs ----


@dataclass(frozen=True, kw_only=True)
class Shop:
    """The example's package as pip installs it, and a small experiment that names its rule."""

    site: Path
    manifest: Path
    home: Path

    def call(self, *arguments: str, site: bool = True) -> subprocess.CompletedProcess[str]:
        """Call the command line; without ``site`` as where the package is not installed."""
        command = [*COMMAND, *arguments]
        environment = with_path(self.site) if site else None
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    def to_do(self) -> list[str]:
        """The steps that are to do."""
        asked = self.call("plan", str(self.manifest), "--home", str(self.home), "--json")
        steps = json.loads(asked.stdout)["forecast"]["steps"]
        return [each["step"]["id"].rpartition("/")[2] for each in steps if each["state"] != "done"]

    def only_run(self) -> Path:
        """The folder of the run."""
        (folder,) = (self.home / "runs" / "small").iterdir()
        return folder


@pytest.fixture
def shop(tmp_path: Path, make_manifest: ManifestMaker) -> Shop:
    site = tmp_path / "site"
    pip = [PYTHON, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-compile"]
    subprocess.run([*pip, "--target", str(site), str(EXAMPLE)], check=True, capture_output=True)
    rule = {"package": "selfimp-example-method", "version": "0.1.0", "name": "most-different", "source": "test"}

    def change(data: dict[str, Any]) -> None:
        data["post_training"]["sample_rule"] = rule
        for metric in ("sbert-diversity", "is-pass@n"):
            data["measure"]["metrics"].remove(metric)
        del data["measure"]["encoder"], data["measure"]["improvement_n"]

    path = make_manifest(schedule=("sft-gold", "sft"), change=change)
    return Shop(site=site, manifest=path, home=tmp_path / "home")


def _bundle(shop: Shop) -> str:
    path = shop.home / "bundle.zip"
    assert shop.call("export", str(shop.only_run()), "--out", str(path)).returncode == 0
    return str(path)


@pytest.mark.slow
def test_an_installed_rule_is_run_recorded_judged_and_done_again_when_its_code_changes(shop: Shop) -> None:
    name, home = str(shop.manifest), str(shop.home)
    assert "SFT takes  most-different of the package selfimp-example-method 0.1.0" in shop.call("show", name).stdout
    run = shop.call("reproduce", name, "--home", home)
    assert run.returncode in (0, 3), run.stderr
    record = json.loads((shop.only_run() / "record.json").read_bytes())
    (method,) = record["methods"]
    assert (method["kind"], method["package"], method["version"]) == ("sample rule", "selfimp-example-method", "0.1.0")
    select = next(step for step in record["steps"] if step["id"].endswith("t2/select"))
    assert f"selfimp-example-method 0.1.0 code {method['code'][:16]}" in select["version"]
    assert method["code"] in (shop.only_run() / "report.html").read_text()
    assert "most-different" in shop.call("doctor", name, "--home", home).stdout
    bundle = _bundle(shop)
    assert shop.call("verify", bundle).returncode == 0
    alone = shop.call("verify", bundle, site=False)
    assert alone.returncode == 0, alone.stdout
    words = " ".join(alone.stdout.split())
    assert "select: steps of the sample rule most-different of selfimp-example-method 0.1.0, which" in words
    assert "select: 1," in words  # that on gold solutions
    assert shop.call("check", str(shop.only_run()), site=False).returncode == run.returncode
    assert shop.call("report", str(shop.only_run()), site=False).returncode == 0
    assert shop.call("explain", str(shop.only_run()), "accuracy-rises", site=False).returncode == 0

    edited = shop.home / "edited" / shop.only_run().name
    for change, words in (
        (
            lambda told: told.clear(),
            "'methods' is []; expected ['sample rule most-different of selfimp-example-method 0.1.0']",
        ),
        (lambda told: told[0].update(code="0" * 64), "was done by"),
    ):
        shutil.copytree(shop.only_run(), edited)
        forged = json.loads((edited / "record.json").read_bytes())
        change(forged["methods"])
        forged["seal"] = seal_of(pretty_json(forged))
        (edited / "record.json").write_bytes(pretty_json(forged))
        refused = shop.call("check", str(edited))
        assert (refused.returncode, words in refused.stderr) == (2, True), refused.stderr
        shutil.rmtree(edited)

    assert shop.to_do() == []
    rules = shop.site / "selfimp_example_method" / "rules.py"
    rules.write_text(rules.read_text() + "\n# a comment changes nothing\n")
    assert shop.to_do() == []
    rules.write_text(rules.read_text().replace("farthest = max(", "farthest = min("))
    to_do = shop.to_do()
    assert to_do[0] == "select"
    assert "train" in to_do


@pytest.mark.slow
def test_without_the_package_or_with_another_version_one_line_says_what_to_install(shop: Shop) -> None:
    name, home = str(shop.manifest), str(shop.home)
    missing = shop.call("run", name, "--home", home, site=False)
    assert missing.returncode == 2
    (line,) = [each for each in missing.stderr.splitlines() if each.strip()]
    assert line.endswith("is not installed; pip install 'selfimp-example-method==0.1.0'")
    for command in ("validate", "plan", "show"):
        looked = shop.call(command, name, site=False)
        assert looked.returncode == 0, looked.stdout + looked.stderr
    assert "not checked: sample rule most-different" in shop.call("validate", name, site=False).stdout
    text = shop.manifest.read_text()
    shop.manifest.write_text(text.replace('version: "0.1.0"', 'version: "0.2.0"'))
    other = shop.call("run", name, "--home", home)
    assert other.returncode == 2
    assert "version 0.1.0 is installed; pip install 'selfimp-example-method==0.2.0', or name 0.1.0" in other.stderr
    data = YAML(typ="safe").load(text)
    data["post_training"]["sample_rule"]["options"] = {"sharper": True}
    with shop.manifest.open("w") as stream:
        YAML(typ="safe", pure=True).dump(data, stream)
    refused = shop.call("validate", name)
    assert refused.returncode == 2
    assert "got an unexpected keyword argument 'sharper'" in refused.stdout + refused.stderr
    assert shop.call("run", name, "--home", home).returncode == 2
    assert [*shop.home.glob("store/*/step.json")] == []


def test_the_example_s_rule_takes_new_equations_first_and_then_the_farthest_words() -> None:
    sys.path.insert(0, str(EXAMPLE))
    try:
        from selfimp_example_method.rules import edit_distance, equations, most_different
    finally:
        sys.path.remove(str(EXAMPLE))
    assert equations("So 24 - 20 = 4\n15 - 6 + 13 = 22 hats\n#### 22") == ("24-20=4", "15-6+13=22")
    assert edit_distance(["a", "b", "c"], ["a", "x", "c", "d"]) == 2
    texts = ["Now 1 + 2 = 3", "So there 1 + 2 = 3 it is", "2 + 1 = 3", "Now 1 + 2 = 3 so"]
    samples = tuple(
        Sample(
            problem_id="p", iteration=1, sample_index=i, text=text, answer="3", correct=i != 4, finished=True, tokens=5
        )
        for i, text in enumerate([*texts, "9 + 9 = 3"])
    )
    problem = ProblemSamples(problem_id="p", question="?", answer=None, level=None, samples=samples)
    assert [each.sample_index for each in most_different([problem], most=3, seed=1)] == [0, 2, 1]
    assert len(list(most_different([problem], most=None, seed=1))) == 4


def test_the_example_s_study_is_sound_and_says_what_could_not_be_looked_at() -> None:
    found = validate([str(EXAMPLE / "own-method.v1.yaml")])
    assert (found.files, found.flaws) == (1, ())
    assert [each.partition("not checked: ")[2].partition(" is not")[0] for each in found.unchecked] == [
        "sample rule most-different of selfimp-example-method 0.1.0",
        "pair loss ipo of selfimp-example-method 0.1.0",
    ]
