"""A simulated cluster: bounds that hold of any schedule, one worked out by hand, and what cannot run."""

from itertools import pairwise

import pytest
from click.testing import CliRunner

from selfimp_bench.cli.app import cli
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.cluster.hours import longest, step_hours
from selfimp_bench.runs.cluster.simulate import Simulation, parse_nodes, simulate, urgency
from selfimp_bench.runs.hardware.device import parse_hardware
from selfimp_bench.runs.study import Experiment, open_experiment, open_study

EIGHT = parse_hardware("8xA100-80GB")


@pytest.fixture(scope="module")
def paper() -> tuple[Experiment, ...]:
    return open_study("progress-or-regress", profile=Profile.PAPER, only="model=llama-2-7b", replicates=1).experiments


@pytest.fixture(scope="module")
def found(paper: tuple[Experiment, ...]) -> dict[int, Simulation]:
    return {count: simulate(paper, parse_nodes(f"{count}x8xA100-80GB")) for count in (1, 4, 64)}


@pytest.mark.slow
def test_more_machines_take_no_longer_and_never_less_than_the_longest_chain(found: dict[int, Simulation]) -> None:
    spans = [found[count].makespan for count in (1, 4, 64)]
    for fewer, more in pairwise(spans):
        assert more.expected <= fewer.expected and more.at_most <= fewer.at_most
    for each in found.values():
        assert each.makespan.expected >= each.chain.expected - 1e-9 and each.chain.at_most > each.chain.expected
    assert found[64].makespan.expected < 1.25 * found[64].chain.expected  # samples of one checkpoint are one task


def test_what_is_at_work_is_the_same_on_any_number_of_machines(found: dict[int, Simulation]) -> None:
    busy = [each.makespan.expected * 8 * count - each.idle_gpu_hours.expected for count, each in found.items()]
    assert busy == pytest.approx([busy[0]] * 3)
    assert found[1].idle_gpu_hours.expected < 0.01 * busy[0] and found[64].idle_gpu_hours.expected > busy[0]
    assert len({each.tasks for each in found.values()}) == 1


def test_the_longest_way_to_the_end_first_is_no_worse_than_the_plan_s_order(found: dict[int, Simulation]) -> None:
    assert found[4].makespan.expected < 0.95 * found[4].in_plan_order.expected


def test_one_experiment_of_one_model_takes_its_steps_hours_on_one_machine() -> None:
    """Everything on GPUs comes one after the other, each group of samples with one start."""
    one = open_experiment("gsm8k-iter-sft", profile=Profile.PAPER, only="model=llama-2-7b", replicates=1)
    hours = step_hours(one.plan(), EIGHT)
    steps = {step.id: step for step in one.plan().steps if step.stage in ("sample", "train")}
    work = sum(hours[step].work.expected for step in steps)
    starts = {
        step.inputs["checkpoint"]: hours[name].start.expected for name, step in steps.items() if step.stage == "sample"
    }
    starts |= {name: hours[name].start.expected for name, step in steps.items() if step.stage == "train"}
    found = simulate([one], parse_nodes("1x8xA100-80GB"))
    assert found.makespan.expected >= work + sum(starts.values())
    assert found.makespan.expected == pytest.approx(work + sum(starts.values()), rel=0.05)  # beside it: grading, probe


def test_urgent_is_what_more_waits_for(paper: tuple[Experiment, ...]) -> None:
    urgent = urgency(paper, EIGHT)
    assert max(urgent.values()) == pytest.approx(simulate(paper, parse_nodes("9x8xA100-80GB")).chain.expected)
    assert min(urgent.values()) >= 0


def test_the_longest_step_is_a_training(paper: tuple[Experiment, ...]) -> None:
    step = longest(paper, EIGHT)
    assert step is not None and step[0].endswith("/train")


def test_what_no_machine_can_do_is_counted_with_what_waits_for_it() -> None:
    large = open_experiment("gsm8k-iter-sft-dpo-70b", profile=Profile.PAPER, only=None, replicates=1)
    small = simulate([large], parse_nodes("4x1xA100-40GB"))
    assert small.left_out > 0 and not small.order


@pytest.mark.parametrize(
    "text", ["8xA100-80GB", "0x8xA100-80GB", "-1x8xA100-80GB", "4x", "4x0xH100", "4x8xNothing", "four"]
)
def test_nodes_are_machines_of_gpus_of_a_known_kind(text: str) -> None:
    with pytest.raises(InputError, match=f"^--nodes {text}: "):
        parse_nodes(text)


def test_plan_says_it_in_words() -> None:
    run = CliRunner().invoke(cli, ["plan", "gsm8k-iter-sft", "--only", "model=llama-2-7b", "--nodes", "2x8xA100-80GB"])
    assert run.exit_code == 0
    assert "On 2x8xA100-80GB" in run.stdout and "GPU hours idle" in run.stdout and "in the plan's order" in run.stdout
