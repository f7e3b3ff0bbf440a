"""The command line as a user meets it: one line for every mistake, nothing lost, what --help says."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[1]
MAIN = [sys.executable, "-c", "from training.cli import main; main()"]
MODULE = [sys.executable, "-m", "training"]
ASYMMETRIC = np.array([[2.0, -0.5, 0.1], [0.25, 1.0, 0.3], [-0.2, 0.4, 1.5]])


def call(*words: str, cwd: Path = ROOT, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--backend=foo"], "exact, nodal, spice"),
        (["--optimizer=lion"], "kfac, sgd, adam"),
        (["--dataset=cifar"], "digits, emnist-letters, mnist"),
        (["--hardware=gold"], "default, ideal, rram40"),
        (["--epochs=0"], "epochs = 0"),
        (["--epochs=many"], "--epochs"),
        (["--lr=-1"], "lr = -1"),
        (["--damping=0"], "damping = 0"),
        (["--workers=0", "--backend=spice"], "workers = 0"),
        (["--bogus"], "--bogus"),
        (["--dataset=mnist", "--data-dir=nowhere"], "nowhere"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_2(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = call(*MODULE, *arguments, f"--out={tmp_path}/run", "--no-progress")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_run_leaves_config_metrics_calls_and_weights(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = call(*MODULE, "--backend=nodal", "--epochs=2", "--batch-size=480", "--json", f"--out={out}")
    summary = json.loads(done.stdout)
    assert done.returncode == 0
    assert len(summary["test_accuracy"]) == len(summary["train_loss"]) == 2
    # 3 steps an epoch; a step solves 8 + 10, 16 + 73 and 10 + 65 right-hand sides
    assert summary["inv_calls"] == 2 * 3 * (18 + 89 + 75)
    assert summary["statuses"] == {"SETTLED": summary["inv_calls"]}
    assert set(summary["seconds"]) == {"total", "ngspice"}
    assert summary["run_dir"] == str(out)
    assert json.loads((out / "config.json").read_text())["lr"] == 0.05
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 2
    rows = (out / "inv_calls.csv").read_text().splitlines()
    assert rows[0] == "step,layer,factor,size,status,settling_time_s,residual,netlist"
    assert len(rows) == 1 + summary["inv_calls"]
    assert load_file(out / "weights.safetensors")["fc.weight"].shape == (10, 64)


def test_a_folder_that_holds_a_run_is_refused_unless_told(tmp_path: Path) -> None:
    command = [*MODULE, "--optimizer=sgd", "--epochs=1", "--no-progress", f"--out={tmp_path}/run"]
    assert call(*command).returncode == 0
    before = (tmp_path / "run/metrics.jsonl").read_text()
    refused = call(*command)
    assert refused.returncode == 2
    assert "--overwrite" in refused.stderr
    assert (tmp_path / "run/metrics.jsonl").read_text() == before
    assert call(*command, "--overwrite").returncode == 0


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_first_order_optimizers_run_through_the_same_loop(optimizer: str, tmp_path: Path) -> None:
    done = call(*MODULE, f"--optimizer={optimizer}", "--json", f"--out={tmp_path}/run")
    summary = json.loads(done.stdout)
    assert summary["inv_calls"] == 0
    assert summary["train_loss"][-1] < summary["train_loss"][0]


def living(group: int) -> list[str]:
    """Processes of a group that still run a second later; the dead that nobody reaped do not count."""
    time.sleep(1)
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = entry.read_text().rpartition(")")
        except OSError:
            continue
        state, _, pgrp = rest.split()[:3]
        if int(pgrp) == group and state != "Z":
            found.append(name)
    return found


@pytest.mark.ngspice
def test_ctrl_c_saves_what_is_done_and_exits_130(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [*MODULE, "--backend=spice", "--batch-size=720", "--epochs=50", "--no-progress", f"--out={out}"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    deadline = time.monotonic() + 120
    while not (out / "metrics.jsonl").exists() or not (out / "metrics.jsonl").read_text():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no epoch in two minutes"
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert str(out) in output.replace("\n", "")
    assert (out / "weights.safetensors").exists()
    assert (out / "metrics.jsonl").read_text()
    assert living(process.pid) == []


def test_show_prints_a_netlist_with_its_expected_answer(tmp_path: Path) -> None:
    np.save(tmp_path / "M.npy", ASYMMETRIC)
    done = call(*MAIN, "show", f"--matrix={tmp_path}/M.npy")
    assert done.returncode == 0
    expected = np.linalg.solve(ASYMMETRIC, [1, 0, 0])
    for i, value in enumerate(expected, start=1):
        assert f"x_{i} = {value:.6g}" in done.stdout
    for word in ("3 x 3", "scale", "mapping", "parts", "RramCell", ".meas tran"):
        assert word in done.stdout


@pytest.mark.ngspice_cli
@pytest.mark.parametrize("hardware", ["default", "ideal"])
def test_a_shown_netlist_runs_in_plain_ngspice_and_gives_the_expected_volts(hardware: str, tmp_path: Path) -> None:
    rhs = np.array([[1.0, 0.0], [2.0, -1.0], [0.5, 3.0]])
    np.save(tmp_path / "M.npy", ASYMMETRIC)
    np.save(tmp_path / "B.npy", rhs)
    shown = call(*MAIN, "show", f"--matrix={tmp_path}/M.npy", f"--rhs={tmp_path}/B.npy", f"--hardware={hardware}")
    (tmp_path / "m.cir").write_text(shown.stdout)
    ran = call("ngspice", "-n", "-b", "m.cir", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    expected = {}
    for line in shown.stdout.splitlines():
        if line.startswith("* right-hand side"):
            side = line.split()[3].rstrip(":,")
        elif "v(out" in line and "expect" in line:
            node, _, volts = line.partition("v(")[2].partition(") = ")
            expected[f"rhs{side}_{node}"] = float(volts.split()[0])
    measured = {w[0]: float(w[2]) for w in map(str.split, ran.stdout.splitlines()) if w[1:2] == ["="] and "rhs" in w[0]}
    assert len(measured) == 6
    for name, volts in expected.items():
        assert measured[name] == pytest.approx(volts, rel=2e-2 if hardware == "default" else 0, abs=1e-6 * 0.2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (np.eye(2)[:1], "square"),
        (np.array([[1.0, np.nan], [0.0, 1.0]]), "not finite"),
        (np.ones((2, 2)), "singular"),
        (np.zeros((0, 0)), "empty"),
        (np.array([[0.0, 1.0], [1.0, 0.0]]), "unstable"),
    ],
)
def test_show_refuses_a_bad_matrix_in_one_line(content: np.ndarray, words: str, tmp_path: Path) -> None:
    np.save(tmp_path / "M.npy", content)
    done = call(*MAIN, "show", f"--matrix={tmp_path}/M.npy")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr


def test_show_names_a_missing_or_foreign_file(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("no array")
    for name in ("missing.npy", "text.npy"):
        done = call(*MAIN, "show", f"--matrix={tmp_path}/{name}")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert name in done.stderr


@pytest.mark.ngspice
def test_doctor_finds_the_library_and_its_version() -> None:
    done = call(*MAIN, "doctor")
    assert done.returncode == 0, done.stdout
    for word in ("Python", "cores", "torch", "PySpice", "ngspice library", "ngspice version", "KLU"):
        assert word in done.stdout


def test_doctor_says_the_way_out_where_the_library_is_missing(tmp_path: Path) -> None:
    done = call(*MAIN, "doctor", environment={"NGSPICE_LIBRARY_PATH": str(tmp_path / "none.so")})
    assert done.returncode == 1
    assert "libngspice0" in done.stdout
    assert "NGSPICE_LIBRARY_PATH" in done.stdout


def test_training_without_the_library_says_the_way_out(tmp_path: Path) -> None:
    missing = {"NGSPICE_LIBRARY_PATH": str(tmp_path / "none.so")}
    done = call(*MODULE, "--backend=spice", f"--out={tmp_path}/run", environment=missing)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "libngspice0" in done.stderr
