"""The comparison of optimizers: its arithmetic by hand, and that nothing done is lost or done twice."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest

from circuits import InputError
from training.cli import app
from training.cli import run as run_command
from training.config import RunConfig
from training.data import hold_out, load_dataset
from training.models import build_model
from training.optimizer import build_optimizer, set_learning_rate
from training.study.measure import epochs_to_accuracy, epochs_to_loss, quartiles, saving
from training.study.plan import METHODS, TASKS, configs, quick_methods
from training.study.reproduce import Reproduction, write_results
from training.study.result import Result
from training.study.runs import Runs
from training.study.space import SPACES, Choice, Log, draw
from training.study.summary import summarize
from training.study.trial import OUTCOME, Outcome, carry_out, digest
from training.study.tune import Search, budget, tune
from training.study.winners import Winners, write_search

SHORT = RunConfig(optimizer="sgd", epochs=2, batch_size=480).resolved()


def outcome(accuracy: list[float], failure: str = "") -> Outcome:
    return Outcome(accuracy, [2.0 - a for a in accuracy], {}, 1.0, 0.0, failure)


def test_epochs_to_an_accuracy_are_interpolated() -> None:
    assert epochs_to_accuracy(0.5, [0.4, 0.6, 0.9], classes=10) == pytest.approx(1.5)
    assert epochs_to_accuracy(0.25, [0.4, 0.6], classes=10) == pytest.approx(0.5)  # from 0.1 at the start
    assert epochs_to_accuracy(0.6, [0.4, 0.6], classes=10) == pytest.approx(2)
    assert epochs_to_accuracy(0.7, [0.4, 0.6], classes=10) == inf
    assert epochs_to_accuracy(0.5, [0.6, 0.2], classes=10) == pytest.approx(0.8)  # the first time counts


def test_epochs_to_a_loss_stand_at_the_middle_of_epochs() -> None:
    assert epochs_to_loss(0.5, [1.0, 0.0], classes=10) == pytest.approx(1.0)  # between 0.5 and 1.5
    start = np.log(10)
    assert epochs_to_loss(1.5, [1.0], classes=10) == pytest.approx(0.5 * (start - 1.5) / (start - 1.0))
    assert epochs_to_loss(0.5, [1.0, 0.6], classes=10) == inf


def test_quartiles_count_a_miss_as_never() -> None:
    assert quartiles([1, 2, 3, 4, 5]) == (2, 3, 4)
    assert quartiles([1, 2, 3, 4, inf]) == (2, 3, 4)
    assert quartiles([1, 2, inf, inf, inf]) == (2, inf, inf)


def test_a_saving_of_half() -> None:
    found = saving([4, 5, 6], [10, 10, 10], epochs=20)
    assert found.value == pytest.approx(0.5)
    # Of medians of three draws from 4, 5, 6 the outer 2.5 % are at the ends: P(median = 4) = 7/27.
    assert (found.low, found.high) == pytest.approx((0.4, 0.6))


def test_a_saving_is_never_larger_than_it_was() -> None:
    assert saving([5, 5, 5], [inf, inf, inf], epochs=20).value == pytest.approx(0.75)
    lost = saving([inf, inf, 5], [10, 10, 10], epochs=20)
    assert lost.value == lost.low == -inf
    assert lost.high == pytest.approx(0.5)


def test_a_single_run_has_no_interval() -> None:
    found = saving([4], [10, 11, 12], epochs=20)
    assert found.value == pytest.approx(1 - 4 / 11)
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize("optimizer", SPACES)
def test_draws_stay_in_their_space_and_repeat(optimizer: str) -> None:
    drawn = [draw(optimizer, trial) for trial in range(50)]
    assert drawn == [draw(optimizer, trial) for trial in range(50)]
    assert draw(optimizer, 0, seed=1) != drawn[0]
    for name, pick in SPACES[optimizer].items():
        values = [one[name] for one in drawn]
        if isinstance(pick, Log):
            assert pick.low * 0.999 <= min(values) < max(values) <= pick.high * 1.001
            assert len(set(values)) == 50
        else:
            assert isinstance(pick, Choice)
            assert set(values) == set(pick.values)
    for one in drawn:
        RunConfig(optimizer=optimizer, **one)


def test_images_held_out_are_a_fifth_of_each_class_and_none_of_the_test_set() -> None:
    whole = load_dataset("digits")
    held = hold_out(whole)
    counts = np.bincount(whole.train_labels, minlength=10)
    assert np.all(np.abs(np.bincount(held.test_labels, minlength=10) - counts / 5) < 1)
    assert len(held.train_labels) + len(held.test_labels) == len(whole.train_labels)
    seen = {image.numpy().tobytes() for image in [*held.train_images, *held.test_images]}
    assert seen == {image.numpy().tobytes() for image in whole.train_images}


def test_the_learning_rate_follows_its_schedule() -> None:
    model = build_model((8, 8), 10)
    config = RunConfig(optimizer="adam", lr=0.1, schedule="cosine", decay_epochs=4.0, momentum=0.8, beta2=0.95)
    optimizer = build_optimizer(config, model)
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.95)
    for epochs, expected in ((0, 0.1), (2, 0.0505), (4, 0.001), (9, 0.001)):
        set_learning_rate(optimizer, config, epochs)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)
    set_learning_rate(optimizer, replace(config, schedule="linear"), 1)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * (1 - 0.99 / 4))
    set_learning_rate(optimizer, replace(config, schedule="constant"), 3)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("schedule", "step", "linear"),
        ("momentum", 1.0, "0 to below 1"),
        ("beta2", -0.1, "0 to below 1"),
        ("weight_decay", -1.0, "weight_decay"),
        ("decay_epochs", 0.0, "above 0"),
        ("target", 1.5, "target"),
    ],
)
def test_values_out_of_range_are_refused(field: str, value: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        RunConfig(**{field: value})  # type: ignore[arg-type]
    assert field in str(caught.value)


def test_a_run_ends_at_its_target(tmp_path: Path) -> None:
    found = carry_out(replace(SHORT, epochs=50, batch_size=64, target=0.6), tmp_path / "run")
    assert len(found.accuracy) < 50
    assert found.accuracy[-1] >= 0.6 > max(found.accuracy[:-1], default=0.0)


def test_an_outcome_is_remembered_and_the_rest_removed(tmp_path: Path) -> None:
    first = carry_out(SHORT, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [OUTCOME]
    (tmp_path / "run" / OUTCOME).write_text(
        json.dumps({**json.loads((tmp_path / "run" / OUTCOME).read_text()), "seconds": -1})
    )
    again = carry_out(SHORT, tmp_path / "run")
    assert again == replace(first, seconds=-1)


def test_a_divergence_is_an_outcome(tmp_path: Path) -> None:
    found = carry_out(replace(SHORT, lr=1e6), tmp_path / "run")
    assert "diverged" in found.failure
    assert len(found.accuracy) < 2


def test_inverses_without_conditioning_fail_and_are_counted(tmp_path: Path) -> None:
    config = replace(SHORT, optimizer="kfac", backend="nodal", hardware="rram40", precision="lp:3", conditioning=False)
    found = carry_out(config, tmp_path / "run")
    assert found.accuracy == []
    assert found.statuses["UNSTABLE"] > 0
    assert "step 1" in found.failure


def test_errors_of_inverses_are_those_of_linear_algebra(tmp_path: Path) -> None:
    config = replace(SHORT, optimizer="kfac", backend="nodal", hardware="ideal", batch_size=128, epochs=2)
    found = carry_out(config, tmp_path / "run").inverses
    assert {step for step, _, _ in found.errors} == {20}
    assert len(found.errors) == 6
    assert max(error for _, _, error in found.errors) < 1e-4
    assert sum(found.settling) + found.unsettled == 24 * (8 + 10 + 16 + 73 + 10 + 65)


def test_a_digest_forgets_places_and_nothing_else() -> None:
    assert digest(SHORT) == digest(replace(SHORT, trust=True)) != digest(replace(SHORT, seed=1))
    assert digest(SHORT) != digest(replace(SHORT, weight_decay=1e-4))
    assert digest(SHORT) != digest(replace(SHORT, hardware="rram40"))


def test_runs_side_by_side_are_those_one_after_the_other(tmp_path: Path) -> None:
    asked = [replace(SHORT, seed=seed) for seed in (3, 1, 3, 2)]
    together = Runs(tmp_path / "together", jobs=2).carry_out(asked)
    alone = Runs(tmp_path / "alone").carry_out(asked)
    assert [one.accuracy for one in together] == [one.accuracy for one in alone]
    assert [one.loss for one in together] == [one.loss for one in alone]
    assert len(list((tmp_path / "together").iterdir())) == 3


def test_a_search_gives_each_optimizer_the_same_budget(tmp_path: Path) -> None:
    search = Search(trials=4, finalists=2, seeds=2, epochs=2, target=0.9)
    base = RunConfig(batch_size=480, **{"inv_update_steps": 5})
    tried = {name: tune(name, base, search, Runs(tmp_path / name), 10, lambda done, total: None) for name in SPACES}
    for name, trials in tried.items():
        assert len(list((tmp_path / name).iterdir())) == budget(search) == 6
        assert [len(one.outcomes) for one in trials] == [2, 2, 1, 1]
        assert sorted(one.number for one in trials) == [0, 1, 2, 3]
        assert trials[0].score <= trials[1].score
    write_search(tmp_path / "out", search, tried, {"command": "ohmvert tune"})
    winners = Winners.read(tmp_path / "out" / "winners.json")
    assert winners.of("sgd") == draw("sgd", tried["sgd"][0].number)
    with pytest.raises(InputError, match="tune"):
        winners.of("lion")


def test_methods_differ_from_the_tuned_optimizer_in_what_they_say(tmp_path: Path) -> None:
    tuned = {"lr": 0.1, "damping": 0.02}
    for method in METHODS.values():
        runs = configs(TASKS["letters"], method, tuned if method.optimizer == "kfac" else {"lr": 0.1}, False, "folder")
        assert [run.seed for run in runs] == list(range(100, 100 + method.seeds))
        assert {run.held_out for run in runs} == {False}
        assert {run.lr for run in runs} == {0.1}
    engines = {name: method.fields.get("backend") for name, method in METHODS.items()}
    for name, engine in engines.items():
        if engine == "spice":
            twin = METHODS[name.replace("spice", "nodal")]
            assert {**METHODS[name].fields, "backend": 0} == {**twin.fields, "backend": 0}


def test_a_quick_reproduction_is_small() -> None:
    for task in TASKS.values():
        runs = [run for method in quick_methods(task) for run in configs(task, method, {"lr": 0.1}, True, None)]
        assert max(run.epochs for run in runs) == 8
        simulated = [run for run in runs if run.backend == "spice" and run.conditioning]
        assert [run.epochs for run in simulated] == ([3] if task.name == "digits" else [])
        assert {run.optimizer for run in runs} == {"sgd", "adam", "kfac"}


def test_a_summary_by_hand(tmp_path: Path) -> None:
    task = TASKS["digits"]
    methods = [METHODS[name] for name in ("sgd", "adam", "exact")]
    curves = {"sgd": [0.5, 0.9, 0.94, 0.96], "adam": [0.2, 0.3, 0.4, 0.5], "exact": [0.94, 0.96, 0.97, 0.97]}
    results = [
        Result.of(task, method, replace(SHORT, seed=seed), outcome(curves[method.name]), classes=10)
        for method in methods
        for seed in range(3)
    ]
    found = summarize(task, results)
    assert found["methods"]["sgd"]["epochs_to_accuracy"]["median"] == pytest.approx(3.5)
    assert found["methods"]["exact"]["epochs_to_accuracy"]["median"] == pytest.approx(1.5)
    assert found["methods"]["adam"]["epochs_to_accuracy"]["median"] is None
    assert found["methods"]["adam"]["reached"] == 0
    assert found["savings"]["sgd"]["exact"]["accuracy"]["value"] == pytest.approx(1 - 1.5 / 3.5, abs=1e-6)
    assert found["savings"]["adam"]["exact"]["accuracy"]["value"] == pytest.approx(1 - 1.5 / 4, abs=1e-6)
    assert found["savings"]["adam"]["sgd"]["accuracy"]["value"] == pytest.approx(1 - 3.5 / 4, abs=1e-6)
    assert found["methods"]["exact"]["accuracy_after"] == {"1": 0.94, "2": 0.96, "3": 0.97, "4": 0.97}
    write_results(tmp_path, task, results, {"command": "by hand"})
    assert json.loads((tmp_path / "summary.json").read_text())["made"] == {"command": "by hand"}
    assert len((tmp_path / "curves.csv").read_text().splitlines()) == 1 + 9 * 4
    assert (tmp_path / "errors.csv").read_text().startswith("method,step,factor")


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    path = tmp_path / "winners.json"
    values = {"values": {"lr": 0.1}}
    path.write_text(json.dumps({"optimizers": {name: values for name in ("sgd", "adam", "kfac")}}))
    return path


def test_a_second_reproduction_trains_nothing(tmp_path: Path, tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = replace(TASKS["digits"], epochs=2)
    asked = Reproduction(task, [METHODS["sgd"], METHODS["exact"]], Winners.read(tuned), quick=True)
    runs = Runs(tmp_path / "runs")
    first = asked.run(runs, lambda done, total: None)
    monkeypatch.setattr("training.study.runs.carry_out", None)
    assert asked.run(runs, lambda done, total: None) == first
    assert [(one.method.name, one.config.seed) for one in first] == [
        ("sgd", 100), ("sgd", 101), ("exact", 100), ("exact", 101),
    ]  # fmt: skip


def test_ctrl_c_keeps_what_is_done_and_the_next_try_goes_on(tmp_path: Path, tuned: Path) -> None:
    command = [sys.executable, "-c", "from training.cli import main; main()", "reproduce", "--task=digits"]
    command += [
        "--method=sgd",
        "--no-progress",
        f"--tuned={tuned}",
        f"--runs={tmp_path / 'runs'}",
        f"--out={tmp_path / 'out'}",
        "--jobs=2",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(f"runs/*/{OUTCOME}")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in stderr
    done = {path.parent.name: path.stat().st_mtime_ns for path in tmp_path.glob(f"runs/*/{OUTCOME}")}
    assert 0 < len(done) < 10
    assert subprocess.run(command, capture_output=True).returncode == 0
    after = {path.parent.name: path.stat().st_mtime_ns for path in tmp_path.glob(f"runs/*/{OUTCOME}")}
    assert len(after) == 10
    assert {name: after[name] for name in done} == done
    assert len((tmp_path / "out/digits/runs.csv").read_text().splitlines()) == 11


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["reproduce", "--tuned=missing.json"], ["missing.json", "ohmvert tune"]),
        (["reproduce", "--task=letter"], ["task", "letters"]),
        (["reproduce", "--method=exat"], ["method", "exact"]),
        (["reproduce", "--jobs=-1"], ["jobs", "-1"]),
        (["tune", "--trials=0"], ["trials", "0"]),
        (["tune", "--finalists=9", "--trials=4"], ["finalists", "9", "4"]),
        (["tune", "--target=2"], ["target", "2"]),
    ],
)
def test_wrong_arguments_are_one_sentence(
    arguments: list[str],
    words: list[str],
    tuned: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tuned.parent)
    if arguments[0] == "reproduce" and "--tuned" not in arguments[1]:
        arguments = [*arguments, f"--tuned={tuned}"]
    monkeypatch.setattr(sys, "argv", ["ohmvert", *arguments])
    assert run_command(app) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for word in words:
        assert word in error
