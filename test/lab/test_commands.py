"""The commands of `myelin lab` as their users meet them."""
import json
import signal
import socket
import struct
import subprocess

import labs
from labs import MYELIN
from lib.netns import Namespace
from lib.until import until


def test_status_names_nodes_hosts_and_services(two):
    status = json.loads(two.myelin("status", "--json"))
    assert [n["name"] for n in status["nodes"]] == ["fra1", "nyc1"]
    assert [n["site"] for n in status["nodes"]] == ["fra", "nyc"]
    assert status["nodes"][0]["addresses"] == ["10.10.0.1", "10.255.0.1"]
    assert [(h["name"], h["site"], h["addresses"]) for h in status["hosts"]] == [
        ("host-fra", "fra", ["10.10.0.10"]), ("host-nyc", "nyc", ["10.20.0.10"])]
    assert [(s["name"], s["type"]) for s in status["services"]] == [("wave", "ethernet")]


def test_status_for_people_names_them_too(two):
    text = two.myelin("status")
    for word in ("fra1", "host-nyc", "10.255.0.2", "wave", "ciphertext"):
        assert word in text


def test_exec_runs_inside_and_gives_the_exit_status_back(two):
    run = lambda *w: subprocess.run([MYELIN, "lab", "exec", "--lab", two.name, *w],
                                    capture_output=True, text=True)
    done = run("host-fra", "--", "ip", "-br", "address", "show", "eth0")
    assert done.returncode == 0 and "10.10.0.10/16" in done.stdout
    assert run("fra1", "--", "sh", "-c", "exit 7").returncode == 7
    assert run("fra1", "--", "no-such-program").returncode == 127
    assert run("nobody", "--", "true").returncode == 1
    assert "core" in run("fra1", "--", "ls", "/sys/class/net").stdout


def test_myelin_inside_a_node_talks_to_that_node(two):
    for node, other in (("fra1", "nyc1"), ("nyc1", "fra1")):
        peers = json.loads(two.run(node, "myelin", "show", "peers", "--json"))["peers"]
        assert [p["state"] for p in peers] == ["live"]
        assert json.loads(two.run(node, "myelin", "show", "version", "--json"))["node"] == node


def test_completion_knows_what_there_is_now(two):
    inside = lambda *w: {line.split("\t")[0] for line in
                         two.run("fra1", "myelin", "complete", "--", *w).splitlines()}
    assert inside("show", "peers", "") == {"core"}
    assert inside("--node", "") == {"fra1"}
    here = lambda *w: {line.split("\t")[0] for line in subprocess.run(
        [MYELIN, "complete", "--", *w], capture_output=True, text=True, check=True)
        .stdout.splitlines()}
    assert two.name in here("lab", "down", "")
    assert {"fra1", "nyc1"} <= here("lab", "cut", "")
    assert {"fra1", "host-nyc"} <= here("lab", "exec", "")
    assert "wan" in here("lab", "heal", "--lab", two.name, "fra1", "w")
    assert "wave" in here("lab", "capture", "")
    assert here("lab", "tamper", "fra1", "wan", "dup") == {"duplicate"}


def test_capture_writes_what_the_carrier_sees_until_interrupted(two, tmp_path):
    file = tmp_path / "wave.pcap"
    capture = subprocess.Popen([MYELIN, "lab", "capture", "--lab", two.name, "wave", file])
    until("the file begins", lambda: file.exists() and file.stat().st_size >= 24, 10)
    two.run("host-fra", "ping", "-n", "-c", "3", "-i", "0.2", two.address["host-nyc"][0])
    until("six frames of ciphertext", lambda: file.stat().st_size > 24 + 6 * 130, 10)
    capture.send_signal(signal.SIGINT)
    assert capture.wait(10) == 0
    data, at, types = file.read_bytes(), 24, []
    assert struct.unpack("=IHHIIII", data[:24]) == (0xa1b23c4d, 2, 4, 0, 0, 65535, 1)
    while at < len(data):
        _, ns, kept, length = struct.unpack("=IIII", data[at:at + 16])
        assert ns < 10**9 and kept == length
        types.append(data[at + 16 + 12:at + 16 + 14].hex())
        at += 16 + kept
    assert at == len(data)
    assert types.count("88e5") >= 6 and set(types) <= {"88e5", "888e"}


def test_capture_of_no_such_service_fails(two):
    done = subprocess.run([MYELIN, "lab", "capture", "--lab", two.name, "nosuch", "-"],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == 1 and "nosuch" in done.stderr


def test_cut_of_no_such_port_fails(two):
    done = subprocess.run([MYELIN, "lab", "cut", "--lab", two.name, "fra1", "nosuch"],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == 1 and "no such port" in done.stderr


def test_a_wrong_file_is_told_with_line_and_column(tmp_path):
    file = tmp_path / "wrong.conf"
    file.write_text(labs.backbone(2).replace("design macsec", "design maxsec"))
    done = subprocess.run([MYELIN, "lab", "up", file], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert f"{file}:" in done.stderr and "maxsec" in done.stderr


def test_down_takes_the_file_that_up_took(make_lab):
    lab = make_lab(labs.backbone(2), wait=False)
    done = subprocess.run([MYELIN, "lab", "down", lab.file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert labs.left_behind(lab.name) == []


def test_down_of_no_lab_fails():
    done = subprocess.run([MYELIN, "lab", "down", "no-such-lab"], capture_output=True, text=True)
    assert done.returncode == 1 and "no lab" in done.stderr


def test_a_report_in_the_middle_of_a_demo_has_every_pair(tmp_path):
    file = tmp_path / "demo.conf"
    file.write_text(labs.backbone(3))
    name = f"t{labs.os.getpid()}-demo"
    done = subprocess.run([MYELIN, "lab", "up", "--once", "--name", name, "--delay-scale", "0.1",
                           file], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (["fra1", "nyc1", "GCM-AES-XPN-256"], ["nyc1", "sin1"], ["Mbit/s"],
                  ["6 of 6 pairs answer"], ["neither"]):
        assert any(all(w in line for w in words) for line in done.stdout.splitlines()), words
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert labs.left_behind(name) == []


def test_a_report_names_each_class_that_left_in_clear_because_the_file_allows_it(tmp_path):
    file = tmp_path / "open.conf"
    file.write_text(labs.backbone(2, port="allow lldp;"))
    name = f"t{labs.os.getpid()}-open"
    lldp = bytes.fromhex("0180c200000e 026d79000101 88cc 02020131 04020132 06020078 0000")

    def send():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind(("eth1", 0))
            for _ in range(3):
                s.send(lldp.ljust(60, b"\0"))
    with subprocess.Popen([MYELIN, "lab", "up", "--once", "--name", name, "--delay-scale", "0.1",
                           file], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as up:
        for line in up.stdout:
            if line.split()[:1] == ["keys"]:
                break
        Namespace(f"{name}.fra1", attach=True).call(send)
        out = up.stdout.read()
        assert up.wait(60) == 0, out
    assert "3 lldp: the file lets these out in clear" in out, out
    assert "none could be read" not in out
    assert labs.left_behind(name) == []
