"""That test/budgets sees a stage that grew, and lets pass one that did not."""
import os
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = os.environ.get("MYELIN_BUILD", TOP / "build")
CASE, STAGE = "esp-out", "fwd/guard.c"


def hold(budgets):
    """One case against those budgets."""
    done = subprocess.run([TOP / "test" / "budgets", "--build", BUILD, "--budgets", budgets, CASE],
                          capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def now(tmp_path_factory):
    """A budget of what is counted now, whatever the compiler."""
    file = tmp_path_factory.mktemp("budgets") / "budgets.txt"
    subprocess.run([TOP / "test" / "budgets", "--build", BUILD, "--budgets", file, "--write"],
                   check=True, timeout=120)
    return file


def lowered(file, tmp_path, factor):
    """The same with the budget of one stage of one case multiplied."""
    lines = []
    for line in file.read_text().splitlines():
        words = line.split()
        if words[:2] == [CASE, STAGE]:
            line = f"{CASE} {STAGE} {float(words[2]) * factor:.2f}"
        lines.append(line)
    changed = tmp_path / "budgets.txt"
    changed.write_text("\n".join(lines) + "\n")
    assert changed.read_text() != file.read_text()
    return changed


def test_the_same_code_takes_what_it_took_before(now):
    assert hold(now) == (0, f"1..1\nok 1 - {CASE}\n")


def test_a_stage_over_its_budget_is_named_with_how_much_and_what_to_do(now, tmp_path):
    status, said = hold(lowered(now, tmp_path, 0.9))
    assert status == 1
    assert f"not ok 1 - {CASE}" in said
    assert f"{CASE}: {STAGE} takes" in said and "+11.1 %" in said
    assert said.count("instructions a frame,") == 1
    assert "test/budgets --write" in said


def test_a_stage_within_three_per_cent_or_shorter_passes(now, tmp_path):
    assert hold(lowered(now, tmp_path, 0.98))[0] == 0
    assert hold(lowered(now, tmp_path, 1.5))[0] == 0


def test_budgets_of_another_compiler_are_a_skip_that_says_so(now, tmp_path):
    other = tmp_path / "budgets.txt"
    other.write_text(now.read_text().replace("# counted for ", "# counted for cc 1, "))
    assert "# SKIP counted for cc 1, " in hold(other)[1]
