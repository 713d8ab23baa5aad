"""The whole daemon with AddressSanitizer, UBSan and LeakSanitizer in every process: keyed, rekeyed,
asked everything, its roles ended one by one and together. A report of any process fails the test.
And once under valgrind, which sees uninitialised memory and all that is held at the end."""
import contextlib
import os
import pathlib
import select
import signal
import threading

import pytest

from lib.daemon import BUILD, Node, TOP
from lib.netns import Namespace
from lib.until import until
from lib.wire import TapEnd

HERE = pathlib.Path(__file__).resolve().parent
ASAN = pathlib.Path(os.environ.get("MYELIN_ASAN", TOP / "build-asan")) / "myelind"
MACS = ["02:00:5e:00:00:01", "02:00:5e:00:00:02"]
CONFIG = """
backbone pair;
service wave { type ethernet; topology e-line; mtu 1600; }
site s1 { location 51.0,8.0; networks 10.1.0.0/16; }
site s2 { location 52.0,8.0; networks 10.2.0.0/16; }
node n1 { id 1; site s1; port wan { interface wan0; service wave; }
          port lan { interface lan0; lan; address 10.1.0.1/16; } }
node n2 { id 2; site s2; port wan { interface wan0; service wave; } }
overlay core { design macsec; keying mka; over wave; subnet 192.0.2.0/24;
    mka { key-chain cak; destination broadcast; hello 500ms; life 3s; rekey 3s; } }
"""
WORDS = [["overlays"], ["peers"], ["mka"], ["macsec"], ["ports"], ["counters"], ["version"],
         ["peers", "core"], ["nonsense"]]


class Sanitized(Node):
    """Its processes write a sanitizer's report where they log: into a file that is open already,
    for a role reaches no other."""
    program = ASAN

    def is_clean(self):
        said = self.said()
        return not any(word in said for word in ("Sanitizer", "runtime error", "ended with status 1"))


@contextlib.contextmanager
def cable(a, b):
    """Carries frames between two interfaces' other ends until it is left."""
    stop_read, stop_write = os.pipe()

    def carry():
        while True:
            ready = select.select([a, b, stop_read], [], [])[0]
            if stop_read in ready:
                return
            for end in ready:
                (b if end is a else a).write(end.read())

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        yield
    finally:
        os.write(stop_write, b"x")
        thread.join()
        os.close(stop_read)
        os.close(stop_write)


class Traced(Node):
    """Every process under valgrind, with a report of its own each; but for the sandbox, which keeps
    valgrind out too, the daemon."""
    program = BUILD / "test" / "proc" / "myelind-traced"

    def __init__(self, *args):
        super().__init__(*args)
        self.under = ("valgrind", "--trace-children=yes", "--leak-check=full",
                      "--errors-for-leak-kinds=definite,indirect,possible",
                      f"--suppressions={HERE / 'valgrind.supp'}",
                      f"--log-file={self.dir / 'valgrind.%p'}")

    def reports(self):
        return {p.suffix: p.read_text() for p in self.dir.glob("valgrind.*")}


@contextlib.contextmanager
def two_nodes(tmp_path, first, second):
    spaces = [Namespace(f"leaks{i}") for i in (1, 2)]
    ends = [TapEnd(ns, "wan0", mac, 1600) for ns, mac in zip(spaces, MACS)]
    lan = TapEnd(spaces[0], "lan0")
    secrets = {"cak": f"{b'leaks'.hex()} {bytes(range(32)).hex()}\n"}
    nodes = [kind(ns, f"n{i}", CONFIG, secrets, tmp_path)
             for i, ns, kind in zip((1, 2), spaces, (first, second))]
    try:
        with cable(*ends):
            for node in nodes:
                node.start()
            until(lambda: "an answer through the overlay" + nodes[0].said() + nodes[1].said(),
                  lambda: pings(nodes[0], 1) == 1, 60)
            yield nodes
    finally:
        for node in nodes:
            if node.process:
                node.process.kill()
                node.process.wait()
        for end in (*ends, lan):
            end.close()
        for ns in spaces:
            ns.delete()


@pytest.fixture
def pair(tmp_path):
    if not ASAN.exists():
        pytest.skip(f"{ASAN} is not built")
    with two_nodes(tmp_path, Sanitized, Sanitized) as nodes:
        yield nodes


def pings(node, count):
    out = node.namespace.run("ping", "-q", "-c", count, "-i", "0.05", "-W", 2, "192.0.2.2",
                             check=False)
    return int(out.split(" received")[0].split()[-1]) if " received" in out else 0


def keys(node):
    return node.show("mka")["participants"][0]["keys"]


def test_no_process_leaks_or_errs_from_keying_to_an_orderly_stop(pair):
    first = keys(pair[0])
    until(lambda: "two rekeys" + pair[0].said(), lambda: keys(pair[0]) >= first + 2, 60)
    for node in pair:
        for words in WORDS:
            assert node.show(*words) is not None
    assert pings(pair[0], 20) == 20
    for node in pair:
        assert node.stop() == 0 and node.is_clean(), node.said()


@pytest.mark.parametrize("role", ["control", "forward"])
def test_no_successor_leaks_or_errs(pair, role):
    old = pair[0].roles()[role]
    pair[0].kill(role)
    until(lambda: f"{role} is back" + pair[0].said(), lambda: pair[0].roles().get(role) not in
          (None, old) and pings(pair[0], 1), 60)
    before = keys(pair[0])
    until(lambda: "a rekey" + pair[0].said(), lambda: keys(pair[0]) > before, 60)
    for node in pair:
        assert node.stop() == 0 and node.is_clean(), node.said()


@pytest.mark.parametrize("role", ["control", "forward"])
def test_a_role_that_is_told_to_end_has_no_leak(pair, role):
    old = pair[0].roles()[role]
    os.kill(old, signal.SIGTERM)
    until(lambda: f"{role} is back" + pair[0].said(), lambda: pair[0].roles().get(role) not in
          (None, old) and pings(pair[0], 1), 60)
    for node in pair:
        assert node.stop() == 0 and node.is_clean(), node.said()


def test_a_report_of_a_role_is_found(pair):
    """The net has no hole: a confined role can write its report where the tests above look."""
    os.kill(pair[0].roles()["control"], signal.SIGSEGV)
    until("the report of the role",
          lambda: "AddressSanitizer:DEADLYSIGNAL" in pair[0].said() and not pair[0].is_clean(), 60)


def test_valgrind_finds_no_leak_and_no_error_in_any_process(tmp_path):
    with two_nodes(tmp_path, Traced, Node) as (traced, _):
        first = keys(traced)
        until(lambda: "a rekey" + traced.said(), lambda: keys(traced) > first, 60)
        for words in WORDS:
            assert traced.show(*words) is not None
        assert pings(traced, 10) == 10
        assert traced.stop(60) == 0
        reports = traced.reports()
        assert len(reports) == 3        # the parent, control and forward
        for report in reports.values():
            assert "ERROR SUMMARY: 0 errors" in report, report
            assert " no leaks are possible" in report or all(
                f"{kind} lost: 0 bytes" in report
                for kind in ("definitely", "indirectly", "possibly")), report
