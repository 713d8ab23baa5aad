"""The processes: what they may do, how they die and come back, what is left of them."""
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

import frames as f
from lib.until import until
from node import PROGRAM, SANITIZED

EPERM = 1
USERS = {"control": 64210, "forward": 64211}


whole_sandbox = pytest.mark.skipif(SANITIZED, reason="a sanitizer's build has a part of the sandbox")


def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {k: v.strip() for k, v in (line.split(":", 1) for line in lines)}


def confined(node, role):
    """The process of a role, once it has given up what it was started with: the filter of system
    calls is the last of it, and of a sanitizer's build the user."""
    def there():
        pid = node.pid(role)
        if role == "parent":
            return pid
        s = status(pid) if pid else {}
        done = s.get("Seccomp") == "2" or (SANITIZED and s.get("Uid", "0")[0] != "0")
        return pid if done else None
    return until(f"{role} is confined", there)


def descriptors(pid):
    """What each descriptor is; names of sockets without their numbers, devices without what a
    chroot puts in front of them."""
    found = []
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(re.sub(r"\[\d+\]|^/.*(?=/dev/(net/)?\w+$)", "", os.readlink(fd)))
        except OSError:
            pass
    return sorted(found)


@pytest.mark.parametrize("role", USERS)
def test_a_role_has_its_own_user_and_no_privilege(node, role):
    s = status(confined(node, role))
    try:
        import pwd
        uid = pwd.getpwnam(f"myelin-{role}").pw_uid
    except KeyError:
        uid = USERS[role]
    assert s["Uid"].split() == [str(uid)] * 4
    assert s["Groups"] == ""
    assert s["Name"] == f"myelin-{role}"
    for caps in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(s[caps], 16) == 0, caps
    assert s["NoNewPrivs"] == "1"
    if not SANITIZED:
        assert s["Seccomp"] == "2"
        assert int(s["VmLck"].split()[0]) > 0


def test_lanes_are_confined_as_forward_is_and_come_back_with_it(make_node):
    node = make_node()
    node.start("--lanes", "2")
    for _ in range(2):
        forward = confined(node, "forward")
        tasks = {p.name: status(f"{forward}/task/{p.name}")
                 for p in pathlib.Path(f"/proc/{forward}/task").iterdir()}
        assert len(tasks) == 3
        for s in tasks.values():
            assert s["Uid"] == status(forward)["Uid"] and s["Groups"] == ""
            assert int(s["CapPrm"], 16) == int(s["CapBnd"], 16) == 0
            assert s["NoNewPrivs"] == "1"
            assert SANITIZED or s["Seccomp"] == "2"
        node.kill("forward")
        until("forward is another", lambda: node.pid("forward") not in (None, forward))


@whole_sandbox
@pytest.mark.parametrize("role", USERS)
def test_a_role_sees_an_empty_root_and_no_network(node, role):
    pid = confined(node, role)
    assert os.listdir(f"/proc/{pid}/root") == []
    mounts = pathlib.Path(f"/proc/{pid}/mounts").read_text().splitlines()
    assert len(mounts) == 1 and " ro," in mounts[0]
    assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink(f"/proc/{node.pid('parent')}/ns/net")
    # Only its own loopback.
    names = [l.split(":")[0].strip()
             for l in pathlib.Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]]
    assert not set(names) & {"wan0", "core", "eth0"}


@pytest.mark.parametrize("role", ["parent", *USERS])
def test_no_process_dumps_core(node, role):
    limits = pathlib.Path(f"/proc/{confined(node, role)}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)


@whole_sandbox
@pytest.mark.parametrize("role", USERS)
def test_a_role_is_not_dumpable(node, role):
    """/proc of a process that may not be dumped belongs to root, not to its user."""
    assert os.stat(f"/proc/{confined(node, role)}/mem").st_uid == 0


@whole_sandbox
@pytest.mark.parametrize("what", ["open", "socket", "packet", "exec", "fork", "kill", "ptrace",
                                  "setuid", "mmap-exec", "dumpable", "grow"])
def test_a_role_cannot(node, what):
    assert int(node.ask(f"try {what}")) == EPERM


def test_the_parent_has_few_capabilities_and_maps_no_state(node):
    node.want_wan()
    node.want_overlay()
    pid = node.pid("parent")
    caps = int(status(pid)["CapEff"], 16)
    # net_admin net_raw bpf sys_admin sys_chroot setuid setgid setpcap kill ipc_lock sys_resource
    # net_bind_service (IKE's ports)
    allowed = sum(1 << n for n in (12, 13, 39, 21, 18, 7, 6, 8, 5, 14, 24, 10))
    assert caps and not caps & ~allowed
    assert status(pid)["NoNewPrivs"] == "1"
    assert "memfd:myelin" not in pathlib.Path(f"/proc/{pid}/maps").read_text()
    for role in USERS:
        assert "memfd:myelin" in pathlib.Path(f"/proc/{confined(node, role)}/maps").read_text()


def test_a_role_holds_no_descriptor_that_is_not_its_own(node):
    node.want_wan()
    node.want_overlay()
    forward = descriptors(node.pid("forward"))
    assert forward.count("/dev/net/tun") == 1
    assert forward.count("/memfd:myelin-sa (deleted)") == 1
    assert "/memfd:myelin-ctl (deleted)" not in forward and str(node.config) not in forward
    assert forward.count("socket:") == 3        # parent, control, wan0
    control = descriptors(node.pid("control"))
    assert control.count("/memfd:myelin-ctl (deleted)") == 1
    assert "/memfd:myelin-sa (deleted)" not in control and "/dev/net/tun" not in control


def test_restarts_leak_no_descriptor(node):
    def held():
        return {r: descriptors(node.pid(r)) for r in ("parent", "forward")}

    node.want_wan()
    node.want_overlay()
    node.ask("done")
    until("forward has its ports", lambda: held()["forward"].count("/dev/net/tun") == 1)
    before = held()
    for _ in range(3):
        node.kill("control")
        node.want_wan()
        node.want_overlay()
        node.ask("done")
    until(lambda: f"the same descriptors as before: {before}, {held()}", lambda: held() == before)
    for _ in range(3):
        node.kill("forward")
    until(lambda: f"the same descriptors as before: {before}, {held()}", lambda: held() == before)


def test_killed_control_finds_its_state_and_the_same_interface(node):
    node.want_wan()
    node.want_overlay()
    node.ask("done")
    index = node.ns.ip("-o", "link", "show", "core").split(":")[0]
    forward = node.pid("forward")
    node.ask("state precious")
    node.kill("control")
    assert node.ask("state").strip() == "precious"
    node.want_wan()
    node.want_overlay()
    node.ask("done")
    assert node.ns.ip("-o", "link", "show", "core").split(":")[0] == index
    assert node.pid("forward") == forward
    assert node.count("parent LINK") == 1


def test_a_restarted_control_runs_the_file_that_runs(node):
    """Not the one that an operator is in the middle of writing."""
    node.want_wan()
    node.ask("done")
    forward = node.pid("forward")
    node.config.write_text("bad\n")
    node.kill("control")
    assert node.pid("forward") == forward and node.daemon.poll() is None


def test_a_file_that_ran_before_does_not_stop_the_traffic(node):
    node.want_wan()
    node.ask("done")
    forward, control = node.pid("forward"), node.pid("control")
    node.ask("exit 3")
    until("control is started again", lambda: node.pid("control") not in (None, control)
          and node.answers())
    assert node.pid("forward") == forward


def test_what_a_restarted_control_does_not_want_goes(node):
    node.want_wan()
    node.want_overlay()
    node.ask("address 2 4 24 0aff0001")
    node.ask("route 2 4 16 0a140000 0aff0002 10")
    node.ask("done")
    until("the route is there", lambda: "10.20.0.0/16" in node.ns.ip("route", "show", "proto", "77"))
    node.kill("control")
    node.want_wan()
    node.want_overlay()
    node.ask("address 2 4 24 0aff0001")
    assert "10.20.0.0/16" in node.ns.ip("route", "show", "proto", "77")
    node.ask("done")
    until("the route is gone", lambda: node.ns.ip("route", "show", "proto", "77") == "")
    assert "10.255.0.1/24" in node.ns.ip("addr", "show", "core")
    node.kill("control")
    node.want_wan()
    node.ask("done")
    until("the overlay is gone", lambda: "core" not in node.ns.ip("-br", "link"))


def test_ipv4_goes_by_a_next_hop_of_ipv6_from_the_address_of_a_lan(node):
    """As in an overlay without a subnet; the lan's address may come later than the route."""
    node.want_wan()
    node.want_overlay()
    node.ask("route 2 4 16 0a140000 fe80000000000000000000fffe000002 10 0a0aff01")
    shown = lambda: node.ns.ip("route", "show", "proto", "77")
    until("the route is there", lambda: "10.20.0.0/16 via inet6 fe80::ff:fe00:2 dev core" in shown())
    assert "src" not in shown()
    node.ask("address 1 4 24 0a0aff01")
    until("it has its source", lambda: "src 10.10.255.1" in shown())
    node.ask("done")
    node.kill("control")
    node.want_wan()
    node.want_overlay()
    node.ask("done")
    until("the route is gone", lambda: shown() == "")


def test_killed_forward_is_back_in_well_under_a_second(node):
    node.want_wan()
    node.want_overlay()
    old, start = node.pid("forward"), time.monotonic()
    os.kill(old, signal.SIGKILL)
    until("forward holds the ports again", lambda: node.pid("forward") not in (None, old)
          and "/dev/net/tun" in descriptors(node.pid("forward")), every=0.01)
    took = time.monotonic() - start
    print(f"forward was back after {took * 1000:.0f} ms")
    assert "core" in node.ns.ip("-br", "link")


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_of_a_daemon_that_ended(node, sig):
    node.want_wan()
    node.want_overlay()
    node.ask("done")
    namespaces = {os.readlink(f"/proc/{node.pid(r)}/ns/net") for r in USERS}
    pids = node.processes()
    node.daemon.send_signal(sig)
    node.wait_gone(pids)
    assert node.daemon.returncode == (0 if sig != signal.SIGKILL else -9)
    until("the overlay is gone", lambda: "core" not in node.ns.ip("-br", "link"))
    assert node.ns.ip("route", "show", "proto", "77") == ""
    assert "myelin" not in node.ns.run("cat", "/proc/net/unix")
    assert not node.state.exists() and os.listdir(node.secrets) == []
    shown = subprocess.run(["lsns", "-t", "net", "-no", "NS"], capture_output=True, text=True).stdout
    assert not [n for n in namespaces if re.search(r"\d+", n)[0] in shown]


def test_a_role_that_keeps_dying_is_started_again_and_again(node):
    said = "forward was killed by signal 9; starting it again"
    for n in range(1, 7):
        pid = until("there is a forward to kill", lambda: node.pid("forward"))
        os.kill(pid, signal.SIGKILL)
        until("its death is seen", lambda: node.log().count(said) == n)
    until("it is back nevertheless", lambda: node.pid("forward"))
    assert node.answers()


def test_a_stopped_role_does_not_stop_the_stop(node):
    os.kill(node.pid("forward"), signal.SIGSTOP)
    pids = node.processes()
    node.daemon.terminate()
    node.wait_gone(pids)
    assert node.daemon.returncode == 0


def test_an_interface_that_comes_late_is_taken_up(node):
    answer = node.ask("want 1 1 late0 0 0 0 888e 1")
    assert answer.split()[0] == "19" and "late0: cannot find it" in answer
    node.want_wan(port=5)
    assert node.ask("want 2 3 core 0 1468 1 0 0").split()[0] != "0"
    node.ns.ip("link", "add", "late0", "type", "veth", "peer", "name", "late1")
    until("late0 is guarded and up", lambda: "guard_egress" in node.ns.run(
        "tc", "filter", "show", "dev", "late0", "egress") and "core" in node.ns.ip("-br", "link"))
    index = node.ns.ip("-o", "link", "show", "late0").split(":")[0]
    node.ns.ip("link", "del", "late0")
    until("its loss is seen", lambda: "late0: the interface is gone" in node.log())
    node.ns.ip("link", "add", "late0", "type", "veth", "peer", "name", "late1")
    assert node.ns.ip("-o", "link", "show", "late0").split(":")[0] != index
    until("late0 is guarded again", lambda: "guard_egress" in node.ns.run(
        "tc", "filter", "show", "dev", "late0", "egress"))


def test_the_overlay_bears_the_wan_port_s_address_and_the_asked_mtu(node):
    node.want_wan()
    node.want_overlay(mtu=1468)
    shown = node.ns.ip("link", "show", "core")
    assert "02:00:00:00:00:01" in shown and "mtu 1468" in shown and "NO-CARRIER" in shown
    assert node.sysctl("net/ipv4/conf/core/forwarding") == "1"
    assert node.sysctl("net/ipv4/conf/wan0/forwarding") == "0"


@pytest.mark.parametrize("before, wanted, after", [(1500, 1600, 1600), (3000, 1600, 3000)])
def test_the_wan_s_mtu_is_raised_and_never_lowered(node, before, wanted, after):
    node.ns.ip("link", "set", "wan0", "mtu", str(before))
    assert node.ask(f"want 1 1 wan0 0 {wanted} 0 888e 1").startswith("0 ")
    assert f"mtu {after} " in node.ns.ip("link", "show", "wan0")


def test_another_mtu_of_ports_in_use_opens_nothing_anew(node):
    node.want_wan()
    node.want_overlay(mtu=1468)
    until("forward has its ports", lambda: descriptors(node.pid("forward")).count(
        "/dev/net/tun") == 1)
    index = node.ns.ip("-o", "link", "show", "core").split(":")[0]
    for wan, core in ((1700, 1668), (1600, 1568)):
        assert node.ask(f"want 1 1 wan0 0 {wan} 0 888e 1").startswith("0 ")
        node.want_overlay(mtu=core)
        assert "mtu 1700 " in node.ns.ip("link", "show", "wan0")
        shown = node.ns.ip("-o", "link", "show", "core")
        assert f"mtu {core} " in shown and shown.split(":")[0] == index
    assert node.log().count("wan0: open") == 1 and node.log().count("core: open") == 1
    until("forward has its ports", lambda: descriptors(node.pid("forward")).count(
        "/dev/net/tun") == 1 and descriptors(node.pid("forward")).count("socket:") == 3)


def test_a_wan_must_be_an_ethernet_interface(node):
    answer = node.ask("want 1 1 lo 0 0 0 888e 1")
    assert answer.split()[0] != "0" and "not an Ethernet interface" in answer


def test_a_second_daemon_of_the_same_node_is_refused(node):
    done = subprocess.run(node.ns.command(PROGRAM, "--node", node.name, node.config),
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "runs already" in done.stderr


@pytest.mark.parametrize("words, says", [
    ((), "--node NAME"),
    (("--node", "n"), "no backbone file"),
    (("--node", "../n", "x"), "a node's name"),
    (("--node", "n", "x", "y"), "more than one file"),
    (("--node", "n", "--nonsense", "x"), "unrecognized option"),
    (("--node", "n", "--lanes", "9", "x"), "from 0 to 8, or auto"),
    (("--node", "n", "--lanes", "-1", "x"), "from 0 to 8, or auto"),
    (("--release-guards",), "needs the interfaces"),
])
def test_bad_usage_is_said_and_ends_with_2(words, says):
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True)
    assert done.returncode == 2 and says in done.stderr


def test_a_file_that_is_not_there_or_cannot_be_run_ends_with_1(make_node):
    node = make_node()
    done = subprocess.run(node.ns.command(PROGRAM, "--node", "n", node.folder / "none"),
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "No such file" in done.stderr
    node.config.write_text("bad\n")
    done = subprocess.run(node.ns.command(PROGRAM, "--node", "n", node.config),
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "cannot be run" in done.stderr
