"""However a lab ends, nothing of it stays."""
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

import labs
from lib.until import until


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", ["network", "carrier", "keys"])
def test_an_interrupted_up_takes_everything_down(tmp_path, sig, step):
    name = f"t{os.getpid()}-int"
    file = tmp_path / "lab.conf"
    file.write_text(labs.backbone(2))
    up = subprocess.Popen([labs.MYELIN, "lab", "up", "--quick", "--name", name, file],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    run = labs.RUN / name
    until(f"the step {step} began", {
        "network": run.exists,
        "carrier": (run / "carrier.sock").exists,
        "keys": (run / "nyc1.log").exists,
    }[step], 10, 0.001)
    up.send_signal(sig)
    out, _ = up.communicate(timeout=30)
    # The signal may have come when all was done already: then it is a lab like any other.
    if up.returncode == 0:
        subprocess.run([labs.MYELIN, "lab", "down", name], check=True)
    else:
        assert up.returncode == 128 + sig, out
    assert labs.left_behind(name) == []


@pytest.mark.parametrize("done", ["keys", "links", "pings"])
def test_a_demo_interrupted_while_it_measures_takes_everything_down(tmp_path, done):
    """Ctrl-C as a terminal sends it: to every process of the demo, programs in its hosts too."""
    name = f"t{os.getpid()}-demo"
    file = tmp_path / "lab.conf"
    file.write_text(labs.backbone(2))
    with subprocess.Popen([labs.MYELIN, "lab", "up", "--once", "--name", name, file], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True) as up:
        for line in up.stdout:
            if line.split()[:1] == [done]:
                break
        os.killpg(up.pid, signal.SIGINT)
        out = up.stdout.read()
        assert up.wait(30) == 128 + signal.SIGINT, out
    assert labs.left_behind(name) == []


STEPS = {
    "network": lambda run: run.exists(),
    "carrier": lambda run: (run / "carrier.sock").exists(),
    "nodes": lambda run: (run / "nyc1.log").exists(),
}


def children(pid):
    return [int(c) for c in
            pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_up_is_taken_down_by_its_heir(tmp_path, step):
    """kill -9 leaves it no word to say; what it had made goes all the same."""
    name = f"t{os.getpid()}-kill"
    file = tmp_path / "lab.conf"
    file.write_text(labs.backbone(2))
    with subprocess.Popen([labs.MYELIN, "lab", "up", "--quick", "--name", name, file],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as up:
        until(f"the step {step} began", lambda: STEPS[step](labs.RUN / name), 10, 0.001)
        up.kill()
    until(lambda: f"nothing is left: {labs.left_behind(name)}",
          lambda: not labs.left_behind(name), 15)


def test_an_heir_does_not_touch_the_next_lab_of_the_name(tmp_path):
    """Who finds a lab's name free again has it."""
    name = f"t{os.getpid()}-next"
    file = tmp_path / "lab.conf"
    file.write_text(labs.backbone(2))
    up = [labs.MYELIN, "lab", "up", "--quick", "--name", name, file]
    with subprocess.Popen(up, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        until("the network began", (labs.RUN / name / "state").exists, 10, 0.001)
        first.kill()
    try:
        until("another one of the name is up", lambda: subprocess.run(
            up, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60).returncode == 0,
            30, 0.01)
        time.sleep(1.5)     # longer than an heir waits
        status = json.loads(subprocess.run(
            [labs.MYELIN, "lab", "status", "--lab", name, "--json"], capture_output=True,
            check=True).stdout)
        assert [n["name"] for n in status["nodes"]] == ["fra1", "nyc1"]
        subprocess.run([labs.MYELIN, "lab", "exec", "--lab", name, "host-fra", "--", "ping", "-c",
                        "1", "-W", "3", "10.20.0.10"], check=True, stdout=subprocess.DEVNULL)
    finally:
        subprocess.run([labs.MYELIN, "lab", "down", name], timeout=30)
    assert labs.left_behind(name) == []


@pytest.mark.parametrize("done", ["keys", "links", "pings"])
def test_a_demo_killed_while_it_measures_is_taken_down_by_its_heir(tmp_path, done):
    name = f"t{os.getpid()}-demo"
    file = tmp_path / "lab.conf"
    file.write_text(labs.backbone(2))
    with subprocess.Popen([labs.MYELIN, "lab", "up", "--once", "--name", name, file], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True) as up:
        for line in up.stdout:
            if line.split()[:1] == [done]:
                break
        os.killpg(up.pid, signal.SIGKILL)
    until(lambda: f"nothing is left: {labs.left_behind(name)}",
          lambda: not labs.left_behind(name), 15)


def test_down_ends_what_a_killed_up_and_its_heir_left(tmp_path):
    name = f"t{os.getpid()}-kill"
    file = tmp_path / "lab.conf"
    file.write_text(labs.backbone(2))
    up = subprocess.Popen([labs.MYELIN, "lab", "up", "--quick", "--name", name, file],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until("the daemons were started", (labs.RUN / name / "nyc1.log").exists, 10, 0.001)
    os.kill(children(up.pid)[0], signal.SIGKILL)       # its first: the heir
    up.kill()
    up.wait()
    assert labs.left_behind(name) != []
    subprocess.run([labs.MYELIN, "lab", "down", name], check=True, timeout=30)
    assert labs.left_behind(name) == []


def test_a_lab_that_is_up_outlives_the_one_who_brought_it_up(make_lab):
    lab = make_lab(labs.backbone(2))
    lab.run("host-fra", "ping", "-n", "-c", "1", "-W", "3", lab.address["host-nyc"][0])
    command = f"{labs.MYELIN}\0lab\0up\0".encode()

    def heirs():
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes()
            except OSError:
                continue
            if words.startswith(command) and lab.name.encode() in words:
                found.append(path)
        return found
    until("nobody waits to inherit", lambda: not heirs(), 10)


def test_the_carrier_ends_when_its_lab_is_gone(make_lab):
    lab = make_lab(labs.backbone(2), wait=False)
    pid = int([w.split() for w in (lab.dir / "state").read_text().splitlines()
               if w.startswith("process carrier ")][-1][2])
    saved = lab.dir.rename(labs.RUN / f"{lab.name}-moved")
    assert os.path.exists(f"/proc/{pid}")    # a name is not the directory
    saved.rename(lab.dir)
    subprocess.run(["rm", "-rf", lab.dir], check=True)
    until("the carrier ended", lambda: not labs.is_running(pid), 10)
    for node in lab.nodes:
        until("its interfaces went with it",
              lambda: "eth1" not in lab.ns(node).ip("link", "show"), 10)
    subprocess.run([labs.MYELIN, "lab", "down", lab.name], check=True)
    assert labs.left_behind(lab.name) == []


def test_two_labs_of_one_file_do_not_meet(make_lab):
    a, b = make_lab(labs.backbone(2)), make_lab(labs.backbone(2))
    a.down()
    b.run("host-fra", "ping", "-n", "-c", "1", "-W", "3", b.address["host-nyc"][0])
    b.assert_clean()


def test_a_command_inside_ends_with_the_lab(make_lab):
    lab = make_lab(labs.backbone(2), wait=False)
    inside = subprocess.Popen([labs.MYELIN, "lab", "exec", "--lab", lab.name, "host-fra", "--",
                               "sleep", "1000"])
    until("it runs", lambda: inside.pid in lab.ns("host-fra").pids(), 10)
    lab.down()
    assert inside.wait(10) == -signal.SIGTERM


def test_a_name_in_use_is_refused_and_the_lab_stays(make_lab, tmp_path):
    lab = make_lab(labs.backbone(2), wait=False)
    again = subprocess.run([labs.MYELIN, "lab", "up", "--quick", "--name", lab.name, lab.file],
                           capture_output=True, text=True)
    assert again.returncode == 1 and "lab down" in again.stderr
    assert [n["name"] for n in lab.status()["nodes"]] == lab.nodes
