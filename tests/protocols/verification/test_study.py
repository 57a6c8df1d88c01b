"""The blocks of a verification experiment out of a study file: what its short words become, and what is refused."""

import copy
from typing import Any

import pytest

from selfimp_bench.manifest.study import entry
from selfimp_bench.manifest.study_tree import Misfit, mapping, plain, planted
from selfimp_bench.protocols.verification.study import verification_blocks

PROMPT = {"path": "prompts/generate.txt", "sha256": "0" * 64}
JUDGE = {"path": "prompts/judge.txt", "sha256": "1" * 64}


def study() -> dict[str, Any]:
    """A study with one task, a method that only verifies and one that trains."""
    data = {
        "name": "study",
        "version": 1,
        "title": "A study",
        "summary": "Of verifiers.",
        "paper": {"id": "0000.00000", "title": "A paper", "section": "Section 1"},
        "protocol": "verification-gap",
        "seed": 1,
        "models": {"small": {"asset": "small"}, "large": {"asset": "large"}, "source": "Section 1"},
        "families": {"sizes": ["small", "large"]},
        "tasks": {
            "sums": {
                "test": {"generator": {"task": "tiny_gsm", "split": "test", "count": 8, "seed": 1}, "rows": 8},
                "train": {"generator": {"task": "tiny_gsm", "split": "train", "count": 9, "seed": 1}, "rows": 9},
                "prompt": {
                    "file": PROMPT,
                    "add_bos": False,
                    "canaries": [{"model": name, "question": "?", "token_ids": [1]} for name in ("small", "large")],
                },
                "grading": {"task": "gsm8k", "extraction": "strict"},
                "verification": {name: {"file": JUDGE} for name in ("mc", "cot", "match")},
                "source": "Section 2",
                "assumed": {"prompt.file": "not in the paper", "verification.mc.file": "word for word"},
            }
        },
        "generation": {"samples_per_problem": 4, "temperature": 0.7},
        "verification": {
            "judging": {"repeats": 1, "max_tokens": 32, "unparsed": "no-score"},
            "mc": {"kind": "multiple-choice", "labels": {"correct": "yes", "incorrect": "no"}},
            "cot": {"kind": "cot-binary", "source": "Section 3"},
            "match": {"kind": "tournament", "judging": {"unparsed": "coin"}},
            "source": "Section 4",
            "assumed": {"judging": "not in the paper", "match.rounds": "all that are possible"},
        },
        "self_improvement": {
            "split": "train",
            "sampling": {"samples_per_problem": 2},
            "source": "Algorithm 1",
            "assumed": {"kept_by": "1 is kept", "sampling.samples_per_problem": "for speed"},
        },
        "sft": {"optimizer": "adamw", "steps": 4},
        "dpo": {"beta": 0.05, "optimisation": {"steps": 2}},
        "engines": {
            "sampler": "hf",
            "trainer": "trl",
            "distributed": "deepspeed-zero3",
            "vllm": {"max_model_len": 64},
            "assumed": {"trainer": "ours", "device": "ours"},
        },
        "measure": {"metrics": ["gap"], "k": [], "assumed": {"correlate": "those of a figure", "k": "none"}},
        "methods": {
            "gap": {},
            "train": {"self_improvement": {"iterations": 3, "utility": "verifier", "method": "rejection"}},
            "pairs": {"self_improvement": {"iterations": 3, "utility": "verifier", "method": "rpo"}},
        },
        "experiments": {"one": {"task": "sums", "method": "gap", "selections": {"mc": ["q0.8"], "match": ["r3"]}}},
    }
    return copy.deepcopy(data)


def blocks(**words: Any) -> dict[str, Any]:
    """The one experiment of the study, with these words of its own."""
    data = study()
    data["experiments"]["one"] |= words
    found = entry(planted(data), "one")
    whole = plain(mapping(verification_blocks(found), found.node))
    assert isinstance(whole, dict)
    return whole


def test_the_verifiers_are_those_that_are_named_with_what_the_study_and_the_task_say_of_them() -> None:
    choice, match = blocks()["verification"]
    assert (choice["id"], choice["kind"], choice["file"]) == ("mc", "multiple-choice", JUDGE)
    assert choice["selections"] == [{"quantile": 0.8}] and "judging" not in choice
    assert (match["id"], match["rounds"], match["judging"]) == (
        "match",
        3,
        {"repeats": 1, "max_tokens": 32, "unparsed": "coin"},
    )
    assert "selections" not in match


def test_a_prompt_file_is_a_path_and_a_digest() -> None:
    (cot,) = blocks(
        selections={"mc": None, "match": None, "cot": ["t1"]}, verification={"cot": {"file": f"p/c.txt@{'2' * 64}"}}
    )["verification"]
    assert cot["file"] == {"path": "p/c.txt", "sha256": "2" * 64}


def test_reasons_come_with_what_they_are_of_and_no_further() -> None:
    choice, match = blocks(assumed={"selections.mc": "not said"})["verification"]
    assert choice["assumed"] == {"file": "word for word", "selections": "not said"}
    assert match["assumed"] == {"judging": "not in the paper", "rounds": "all that are possible"}
    both = blocks(assumed={"selections": "not said", "verification.mc.labels": "ours"})["verification"]
    assert [method["assumed"].get("selections") for method in both] == ["not said", None]
    assert both[0]["assumed"]["labels"] == "ours"


def test_of_two_reasons_the_one_that_speaks_of_the_verifier_alone_is_shown() -> None:
    data = study()
    data["verification"]["assumed"]["match.judging"] = "a seeded coin decides"
    data["experiments"]["one"]["assumed"] = {"selections": "not said"}
    found = entry(planted(data), "one")
    choice, match = plain(mapping(verification_blocks(found), found.node))["verification"]  # type: ignore[index, call-overload]
    assert match["assumed"] == {"judging": "a seeded coin decides", "rounds": "all that are possible"}
    assert choice["assumed"]["selections"] == "not said"
    data["experiments"]["one"]["assumed"] = {"selections.match": "that of a figure"}
    found = entry(planted(data), "one")
    match = plain(mapping(verification_blocks(found), found.node))["verification"][1]  # type: ignore[index, call-overload]
    assert match["assumed"]["rounds"] == "that of a figure"


def test_every_kind_of_selection_has_its_letter() -> None:
    (choice,) = blocks(selections={"mc": ["q0.8", "t0.7", "w0.05"], "match": None})["verification"]
    assert choice["selections"] == [{"quantile": 0.8}, {"threshold": 0.7}, {"reweight": 0.05}]


def test_ensembles_and_what_is_compared_are_named_like_measurements() -> None:
    found = blocks(ensembles=[["mc.q0.8", "cot.t1"]], measure={"correlate": ["mc.q0.8", "match"]}, source="Section 6")
    pair = [{"verifier": "mc", "selection": {"quantile": 0.8}}, {"verifier": "cot", "selection": {"threshold": 1}}]
    assert found["ensembles"] == [{"members": pair, "source": "Section 6"}]
    assert found["measure"]["correlate"] == [pair[0], {"verifier": "match"}]
    assert found["measure"]["assumed"]["correlate"] == "those of a figure"


def test_an_experiment_that_only_verifies_has_no_word_of_training() -> None:
    found = blocks()
    assert not {"self_improvement", "sft", "dpo"} & found.keys()
    assert "train" not in found["datasets"]
    assert found["engines"]["assumed"] == {"device": "ours"}
    assert not {"distributed", "vllm"} & found["engines"].keys()
    assert found["measure"]["assumed"] == {"k": "none"}


def test_an_experiment_trains_if_its_method_says_how() -> None:
    found = blocks(method="train", self_improvement={"kept_by": "cot.t1"})
    improvement = found["self_improvement"]
    assert improvement["kept_by"] == {"verifier": "cot", "model": "self", "selection": {"threshold": 1}}
    assert (improvement["file"], improvement["iterations"], improvement["source"]) == (PROMPT, 3, "Algorithm 1")
    assert improvement["sampling"]["assumed"] == {"samples_per_problem": "for speed"}
    assert found["sft"] == {"optimizer": "adamw", "steps": 4} and "dpo" not in found
    assert found["datasets"]["train"]["id"] == "sums-train"
    assert found["engines"]["distributed"] == "deepspeed-zero3"


def test_pairs_are_trained_on_with_what_dpo_says_and_else_what_sft_says() -> None:
    found = blocks(method="pairs", self_improvement={"kept_by": "cot.t1"})
    assert "sft" not in found
    assert found["dpo"] == {"beta": 0.05, "optimisation": {"optimizer": "adamw", "steps": 2}}


def test_another_model_may_keep_what_is_trained_on() -> None:
    words = {"kept_by": "cot@large-1.5b.t0.5"}
    kept_by = blocks(method="train", self_improvement=words)["self_improvement"]["kept_by"]
    assert kept_by == {"verifier": "cot", "model": "large-1.5b", "selection": {"threshold": 0.5}}


def test_without_a_filter_there_is_no_reason_for_one() -> None:
    assert "assumed" not in blocks(method="train")["self_improvement"]


def test_models_are_all_a_family_or_those_that_are_listed_and_some_only_verify() -> None:
    assert [model["id"] for model in blocks()["models"]] == ["small", "large"]
    assert [model["id"] for model in blocks(models="sizes")["models"]] == ["small", "large"]
    found = blocks(models=["small"], verifiers=["large"], verifier_models=["large"])
    assert [model["id"] for model in found["models"]] == ["small"]
    assert [model["id"] for model in found["verifier_models"]] == ["large"]
    assert found["verifiers"] == ["large"] and blocks()["verifiers"] == ["self"]


def test_canaries_are_those_of_the_models_that_read_the_prompt() -> None:
    assert [each["model"] for each in blocks(models=["small"])["prompt"]["canaries"]] == ["small"]
    verified = blocks(models=["small"], verifiers=["large"], verifier_models=["large"])
    assert [each["model"] for each in verified["prompt"]["canaries"]] == ["small", "large"]


@pytest.mark.parametrize(
    ("words", "path", "message"),
    [
        ({"selections": {"mcq": ["q0.8"]}}, ("selections", "mcq"), "did you mean mc?"),
        ({"selections": {"mc": ["0.8"]}}, ("selections", "mc", 0), "such as q0.8 (quantile)"),
        ({"selections": {"mc": "q0.8"}}, ("selections", "mc"), "expected a list"),
        ({"selections": {"match": ["q0.8"]}}, ("selections", "match", 0), "such as r5"),
        ({"ensembles": [["mc q0.8"]]}, ("ensembles", 0, 0), "such as mc.q0.8"),
        ({"verifier_models": ["larg"]}, ("verifier_models", 0), "did you mean large?"),
        ({"models": "size"}, ("models",), "did you mean sizes?"),
        ({"verification": {"mc": {"file": "p/mc.txt"}}}, ("verification", "mc", "file"), "expected PATH@SHA256"),
        ({"method": "train", "self_improvement": {"kept_by": "cot@.t1 x"}}, ("self_improvement", "kept_by"), "mc.q0.8"),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_place(
    words: dict[str, Any], path: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(Misfit) as refused:
        blocks(**words)
    assert refused.value.fault.path == ("experiments", "one", *path)
    assert message in refused.value.fault.message
