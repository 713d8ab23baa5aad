"""Cut-through at a hub: what one spoke sends to another goes on inside forward, by the kernel's routes,
as long as the kernel has nothing that would have its say on it."""
import socket
import struct

import pytest

import labs
from lib.until import until

TEXT = (labs.TOP / "examples" / "four-dcs-ip.conf").read_text()
ROUTES = 50_000     # of the churn, each put there and taken away again
NETFILTER = 12      # NETLINK_NETFILTER; the socket module has no name for it


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    text = TEXT.replace("design ipsec; over mpls;", "design ipsec; over mpls; hubs [ fra1 ];")
    text = text.replace("node fra1 { id 1;", "node fra1 { id 1; cut-through auto;")
    assert "hubs" in text and "cut-through" in text
    made = labs.Lab(tmp_path_factory.mktemp("lab"), text)
    try:
        yield made
    finally:
        made.down()


def transit(lab, node="fra1"):
    return lab.show(node, "counters")["tunnels"][0]["counters"].get("path.transit", 0)


def state(lab, node="fra1"):
    answer = lab.show(node, "routes")
    return answer["cut-through"], answer["cut-through-reason"] or ""


def ready(lab):
    """Open, and a packet was seen to go that way."""
    def passes():
        before = transit(lab)
        lab.run("host-nyc", "ping", "-n", "-c", "1", "-W", "1", lab.address["host-sin"][0],
                check=False)
        return transit(lab) > before
    until(lambda: f"open: {state(lab)}\n{lab.logs()}", lambda: state(lab)[0] == "open", 15)
    until(lambda: f"packets pass: {lab.show('fra1', 'routes')}\n{lab.logs()}", passes, 15)


def test_packets_between_spokes_pass_inside_forward(lab):
    ready(lab)
    with labs.Stream(lab, "host-nyc", "host-sin") as s:
        before = transit(lab)
        s.send(300, 500)
        assert s.lost() == [] and s.duplicates == 0
        assert transit(lab) - before >= 300
    six = lab.address["host-sin"][1]
    before = transit(lab)
    assert " 3 received" in lab.run("host-nyc", "ping", "-n", "-c", "3", "-i", "0.2", "-W", "2", six)
    assert transit(lab) - before >= 6
    # To the hub's own host they do not: the way there is no overlay.
    before = transit(lab)
    assert " 3 received" in lab.run("host-nyc", "ping", "-n", "-c", "3", "-i", "0.2", "-W", "2",
                                    lab.address["host-fra"][0])
    assert transit(lab) == before
    assert lab.neither() == (0, [])


def test_the_kernel_says_what_is_to_be_said(lab):
    ready(lab)
    before = transit(lab)
    said = lab.run("host-nyc", "ping", "-n", "-c", "2", "-i", "0.2", "-t", "2", "-W", "2",
                   lab.address["host-sin"][0], check=False)
    assert "Time to live exceeded" in said and " 0 received" in said, said
    assert transit(lab) == before


def nft(lab, family, kind, attrs_of):
    """One change of nftables, in a batch, of the hub's kernel; the errno of its answer, 0: done."""
    def attr(number, payload):
        return (struct.pack("=HH", 4 + len(payload), number) + payload).ljust(
            (7 + len(payload)) & ~3, b"\0")

    def message(number, flags, seq, fam, res, payload=b""):
        return struct.pack("=IHHIIBBH", 20 + len(payload), number, flags, seq, 0, fam, 0,
                           socket.htons(res)) + payload

    def talk():
        s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER)
        s.settimeout(2)
        s.send(message(0x10, 1, 1, 0, 10)
               + message(10 << 8 | kind, 0x405, 2, family, 0, attrs_of(attr))
               + message(0x11, 1, 3, 0, 10))
        answer = s.recv(4096)
        s.close()
        return -struct.unpack_from("=i", answer, 16)[0]
    return lab.ns("fra1").call(talk)


def nft_chain(lab):
    err = nft(lab, 1, 0, lambda a: a(1, b"myelin-test\0"))
    if err:
        return err
    return nft(lab, 1, 3, lambda a: a(1, b"myelin-test\0") + a(3, b"fwd\0") + a(4 | 0x8000, a(
        1, struct.pack(">I", 2)) + a(2, struct.pack(">i", 0))) + a(7, b"filter\0"))


def closes(lab, word, undo):
    """Closed for that reason, visibly; traffic goes on through the kernel, and comes back."""
    try:
        until(lambda: f"closed: {state(lab)}", lambda: state(lab)[0] == "closed", 10)
        assert word in state(lab)[1], state(lab)
        assert word in lab.run("fra1", labs.MYELIN, "show", "routes")
        before = transit(lab)
        with labs.Stream(lab, "host-nyc", "host-sin") as s:
            s.send(100, 500)
            assert s.lost() == []
        assert transit(lab) == before
    finally:
        undo()
    ready(lab)


def test_a_policy_rule_closes_it(lab):
    ready(lab)
    fra = lab.ns("fra1")
    fra.ip("rule", "add", "fwmark", "7", "lookup", "main", "priority", "300")
    closes(lab, "policy rule", lambda: fra.ip("rule", "del", "priority", "300"))
    assert "cut-through: the kernel forwards: there is a policy rule" in (
        lab.dir / "fra1.log").read_text()


def test_a_queueing_discipline_closes_it(lab):
    ready(lab)
    lab.run("fra1", "tc", "qdisc", "add", "dev", "core", "clsact")
    closes(lab, "clsact", lambda: lab.run("fra1", "tc", "qdisc", "del", "dev", "core", "clsact"))


def test_a_chain_of_nftables_closes_it(lab):
    ready(lab)
    err = nft_chain(lab)
    if err in (22, 93, 95):
        pytest.skip("this kernel has no nf_tables")
    assert not err
    closes(lab, "nftables", lambda: nft(lab, 1, 2, lambda a: a(1, b"myelin-test\0")))


def test_deaths_of_roles_lose_nothing_that_the_kernel_can_forward(lab):
    ready(lab)
    with labs.Stream(lab, "host-nyc", "host-sin") as s:
        s.send_while(500, lambda: lab.kill("fra1", "control"))
        s.send(500, 500)
        assert s.lost() == [], "control's death is nobody's loss"
    ready(lab)
    lab.kill("fra1", "forward")
    ready(lab)
    assert lab.neither() == (0, [])


def test_a_hundred_thousand_updates_disturb_no_packet_on_its_way(lab):
    nets = [f"100.{64 + n // 16384}.{n // 64 % 256}.{n % 64 * 4}/30" for n in range(ROUTES)]
    path = lab.dir / "churn"
    path.write_text("".join(f"route add {net} via 10.255.0.{2 + n % 3} dev core\n"
                            for n, net in enumerate(nets))
                    + "".join(f"route del {net}\n" for net in nets))
    ready(lab)
    with labs.Stream(lab, "host-nyc", "host-sin") as s:
        before = transit(lab)
        s.send_while(500, lambda: lab.run("fra1", "ip", "-batch", str(path), timeout=120))
        s.send(100, 500)
        assert s.lost() == [] and s.sent > 200 and s.duplicates == 0
        passed = transit(lab) - before
    print(f"{s.sent} packets, {passed} of them inside forward")
    assert passed > s.sent / 2
