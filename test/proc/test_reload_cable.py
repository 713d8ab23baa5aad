"""A reload of what two ends and their carrier must agree on, between two daemons on a cable that
carries anything: both take it up, and traffic is back as the new file says, and back again."""
import pytest

from lib.daemon import Node
from lib.until import until
from test_leaks import CONFIG, pings, two_nodes

PORT = "port wan { interface wan0;"


def wan(node):
    return next(p for p in node.show("ports")["ports"] if p["side"] == "wan")


def reload(node, text):
    node.config.write_text(text)
    old = node.roles()["control"]
    answer = node.ask("reload")
    assert answer["valid"] and answer["changes"], answer
    until("another control", lambda: node.roles().get("control") not in (None, old), 20)
    return answer


def kinds():
    """What changes, and what of it can be seen of a node that took it up."""
    yield "vlan", CONFIG.replace(PORT, f"{PORT} vlan 100;"), lambda n: wan(n)["vlan"] == 100
    yield ("confidentiality", CONFIG.replace("mka {", "macsec { confidentiality off; } mka {"),
           lambda n: sent(n, "OutPktsProtected") and wan(n)["guard"]["egress-integrity"])
    yield ("ethertype", CONFIG.replace("mka {", "mka { ethertype 0x876f;"),
           lambda n: wan(n)["guard"]["egress-eapol"])
    yield ("destination", CONFIG.replace("destination broadcast", "destination 01:00:5e:7f:00:01"),
           lambda n: wan(n)["guard"]["egress-eapol"])


def sent(node, name):
    return node.show("counters")["secys"][0]["counters"].get(name, 0)


@pytest.mark.parametrize("text, seen", [k[1:] for k in kinds()], ids=[k[0] for k in kinds()])
def test_what_both_ends_must_agree_on_is_taken_up_and_taken_back(tmp_path, text, seen):
    with two_nodes(tmp_path, Node, Node) as nodes:
        for taken, look in ((text, seen), (CONFIG, lambda n: sent(n, "OutPktsEncrypted"))):
            for node in nodes:
                reload(node, taken)
            until(lambda: "traffic\n" + nodes[0].said(), lambda: pings(nodes[0], 1) == 1, 40)
            assert pings(nodes[0], 20) == 20
            for node in nodes:
                until("the change is seen", lambda: look(node), 10)
