"""Claims across experiments in the short form: what they expand to, and what is refused."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from support import ROOT

from selfimp_bench.manifest.across import Across, across
from selfimp_bench.manifest.suite_model import Axis, Suite
from selfimp_bench.manifest.yaml_source import read_yaml

SHORT = Path(__file__).parent / "across"
TASKS = {"tiny-gsm-test": "tiny-gsm"}


def study(**claims: dict[str, Any]) -> dict[str, Any]:
    """A study of two tasks and two methods, with these claims."""
    said = {"says": "As said.", "source": "Section 1", "holds": "all"}
    return {
        "name": "study",
        "version": 1,
        "title": "A study",
        "summary": "Of two tasks.",
        "paper": {"id": "0000.00000", "title": "A paper", "section": "Section 1"},
        "tables": "study",
        "judging": {"confidence": 0.95, "bootstrap": {"resamples": 100, "seed": 1}},
        "models": {"small": {}, "large": {}, "source": "Section 1"},
        "families": {"sizes": ["small", "large"]},
        "compute": {"small": 1e20, "large": 1e22},
        "published": {"tables": ["text"], "best": {"pass@1": {"iterations": [1, 2], "published": "best-pass@1"}}},
        "tasks": {"sums": {"ood": "long-sums", "published": "sums-test"}, "long-sums": {}, "quiz": {}},
        "experiments": {
            "sums-sft": {"task": "sums", "method": "sft"},
            "quiz-dpo": {"task": "quiz", "method": "dpo", "models": "sizes"},
            "sums-fast": {"task": "sums", "method": "sft", "apart": True},
        },
        "claims": {id_: said | claim for id_, claim in claims.items()},
    }


def expanded(**claims: dict[str, Any]) -> Suite:
    found = across(study(**claims))
    assert found.faults == ()
    return msgspec.convert(found.data, Suite)


def refused(**claim: Any) -> tuple[tuple[str | int, ...], str]:
    (fault,) = across(study(claim=claim)).faults
    return fault.path, fault.message


def as_study(name: str, suite: dict[str, Any]) -> dict[str, Any]:
    """A study file's data with what a suite says of its experiments, and the claims in the short form."""
    members = suite["experiments"]
    published = suite["published"]
    tasks = {TASKS.get(member["dataset"], member["dataset"]): {"published": member["dataset"]} for member in members}
    for member in members:
        if "ood" in member:
            tasks[TASKS.get(member["dataset"], member["dataset"])]["ood"] = member["ood"]
            tasks[member["ood"]] = {}
    return {
        **{key: suite[key] for key in ("name", "version", "title", "summary", "paper")},
        "tables": published["tables"][0].partition("/")[0],
        "judging": {"confidence": 0.95, "bootstrap": {"resamples": 10000, "seed": 1}},
        "families": {family["name"]: family["models"] for family in suite.get("families", [])},
        "compute": {each["model"]: each["flops"] for each in suite.get("compute", [])},
        "published": {
            "tables": [Path(table).stem for table in published["tables"]],
            "renamed": {each["measured"]: each["published"] for each in published["renamed"]},
            "best": {each.pop("measured"): each for each in published["best"]},
        },
        "tasks": tasks,
        "experiments": {
            member["name"]: {"task": TASKS.get(member["dataset"], member["dataset"])}
            | {key: member[key] for key in ("method", "models")}
            for member in members
        },
        "claims": read_yaml(SHORT / f"{name}.yaml").data,
    }


@pytest.mark.parametrize(
    "folder, name",
    [("tiny", "tiny"), ("tiny", "tiny-gap")] + [(name, name) for name in ("mind-the-gap", "progress-or-regress")],
)
def test_the_short_claims_say_what_the_long_suites_say(folder: str, name: str) -> None:
    long: Any = read_yaml(ROOT / "manifests" / folder / f"{name}.suite.v1.yaml").data
    short: Any = across(as_study(name, msgspec.json.decode(msgspec.json.encode(long)))).data
    for claim in long["claims"]:
        claim["source"] = claim["source"].removeprefix(f"{long['paper']['id']}, ")
    assert len(long["claims"]) == len(short["claims"])
    for said, meant in zip(short["claims"], long["claims"], strict=True):
        assert said == meant
    empty = {"families": [], "compute": []}
    assert msgspec.convert(empty | long, Suite) == msgspec.convert(short, Suite)


def test_an_experiment_is_a_member_with_the_words_of_the_tables() -> None:
    first, second = expanded().experiments
    assert (first.name, first.dataset, first.ood, first.method) == ("sums-sft", "sums-test", "long-sums", "sft")
    assert first.models == second.models == ("small", "large")
    assert second.ood is None


def test_an_experiment_that_stands_apart_is_no_member() -> None:
    assert "sums-fast" not in {member.name for member in expanded().experiments}


def test_a_claim_about_one_experiment_is_not_across() -> None:
    alone = study(alone={"above": ["pass@1 t=2", "pass@1 t=1"]})
    del alone["claims"]["alone"]["holds"]
    assert across(alone).data["claims"] == []


def test_a_quantity_has_what_it_says_and_else_what_the_claim_says() -> None:
    (claim,) = expanded(
        rises={"of": {"task": "sums", "t": 1, "model": "small"}, "above": ["pass@1 ood t=1..3 less=1", "metric t=2"]}
    ).claims
    assert claim.above is not None and claim.above.lesser is not None
    greater, lesser = claim.above.greater, claim.above.lesser
    assert (greater.metric, greater.split, greater.iterations, greater.minus_iteration) == (
        "pass@1",
        "ood",
        (1, 2, 3),
        1,
    )
    assert (lesser.metric, lesser.split, lesser.iterations, lesser.model) == (None, "test", (2,), "small")
    assert greater.dataset == lesser.dataset == "sums-test"


def test_over_takes_lists_families_and_all() -> None:
    over = {"task": "all", "method": ["sft"], "model": "sizes", "iteration": [1]}
    (claim,) = expanded(many={"over": over, "peak": {"quantity": "pass@1", "at": [1]}}).claims
    assert claim.over is not None
    assert (claim.over.dataset, claim.over.model) == (("sums-test", "quiz"), ("small", "large"))


def test_rows_across_experiments_are_one_row_of_a_table() -> None:
    rows = {"quantity": "pass@1 t=5 task=quiz method=dpo", "table": "text", "row": "text.best", "seed_sd": 1.0}
    (claim,) = expanded(best={"rows": rows}).claims
    assert claim.equals is not None
    assert (claim.equals.table, claim.equals.reference, claim.equals.seed_sd) == ("study/text.csv", "text.best", 1.0)


def test_terms_are_on_an_axis_or_the_models_of_the_family() -> None:
    first, second = expanded(
        winner={"best": {"quantity": "pass@1 t=5", "among": {"task": ["sums", "quiz"]}, "winners": ["quiz"]}},
        order={"over": {"family": ["sizes"]}, "monotone": {"quantity": "gap t=0", "direction": "up", "among": "model"}},
    ).claims
    assert first.best is not None and first.best.among == ("sums-test", "quiz")
    assert second.monotone is not None and (second.monotone.axis, second.monotone.among) == (Axis.MODEL, None)


def test_origins_lead_from_a_claim_and_a_member_to_their_place_in_the_file() -> None:
    found: Across = across(study(first={"above": ["pass@1 t=1", 0.5]}))
    assert found.origins[("claims", 0)] == ("claims", "first")
    assert found.origins[("experiments", 1)] == ("experiments", "quiz-dpo")


@pytest.mark.parametrize(
    "claim, path, message",
    [
        ({"above": ["pass@1 t=one", 0.5]}, ("above", 0), "expected t=3 or t=1..5"),
        ({"above": ["pass@1 tt=1", 0.5]}, ("above", 0), "did you mean t?"),
        ({"above": ["pass@1 accuracy", 0.5]}, ("above", 0), "says its metric twice"),
        ({"above": ["pass@1"]}, ("above",), "expected two things in a list"),
        ({"over": {"model": "size"}, "above": ["pass@1", 0.5]}, ("over", "model"), "did you mean sizes?"),
        ({"peak": {"quantity": 5, "at": [1]}}, ("peak", "quantity"), "expected a quantity such as"),
        ({"abov": []}, (), "expected one of above, best"),
        ({"any_of": {"one": {"above": ["pass@1 test ood", 0.5]}}}, ("any_of", "one", "above", 0), "its split twice"),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_place(
    claim: dict[str, Any], path: tuple[str | int, ...], message: str
) -> None:
    found, said = refused(**claim)
    assert found == ("claims", "claim", *path)
    assert message in said
