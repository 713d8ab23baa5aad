"""Key chains and fallbacks under traffic: keys change, nothing is lost, and everybody is told why."""
import datetime
import os
import time

import pytest

import labs
from labs import Stream
from lib.until import until


def stamp(seconds):
    """A time of the wall clock, so many seconds from now."""
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


class Secret:
    """A file that all daemons of the lab share, and read when they are told to."""

    def __init__(self, lab, name):
        self.path = lab.dir / "secrets" / name
        self.text = self.path.read_text()

    def write(self, text):
        new = self.path.with_suffix(".new")
        new.touch(0o600)
        new.write_text(text)
        new.rename(self.path)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), labs.backbone(3, mka="fallback spare-cak;"))
    try:
        yield lab
    finally:
        lab.down()
        left = labs.left_behind(lab.name)
        assert not left, left


def mka(lab, node):
    return lab.show(node, "mka")["participants"][0]


def principal(lab, node):
    """The CKN whose SAKs a node uses, once its own SAK is from there."""
    try:
        caks = mka(lab, node)["caks"]
    except (OSError, ValueError, LookupError):
        return None
    return next((c["ckn"] for c in caks if c["state"] == "principal"), None)


def key_of(lab, node):
    return next(a["key-id"] for a in lab.show(node, "macsec")["sas"]
                if a["direction"] == "transmit" and a["state"] == "installed")


def settled(lab, ckn, before):
    """Everybody is under that CAK, with one SAK that is not the one before."""
    try:
        keys = {key_of(lab, n) for n in lab.nodes}
    except (OSError, ValueError, StopIteration):
        return False
    return (all(principal(lab, n) == ckn for n in lab.nodes) and len(keys) == 1
            and keys != {before} and all(len(lab.peers(n)) == 2 for n in lab.nodes))


def reload(lab, nodes=None):
    for node in nodes or lab.nodes:
        answer = lab.ask(node, "reload")
        assert answer["valid"] and answer["keys"] and not answer["changes"], answer


def caks(lab, node):
    return {c["ckn"]: c for c in mka(lab, node)["caks"]}


def test_a_chain_rolls_over_and_loses_nothing_even_when_control_dies(lab):
    chain = Secret(lab, "core-cak")
    first = chain.text.split()
    second = ["02" * 16, "5c" * 32]
    before = key_of(lab, "fra1")
    controls = [lab.role(n, "control") for n in lab.nodes]
    with Stream(lab, "host-fra", "host-nyc") as a, Stream(lab, "host-sin", "host-fra") as b:
        a.send(100, 500)
        b.send(100, 500)
        # The new key begins in a moment, and the old one ends when it does.
        chain.write(f"# two of them\n{' '.join(first)} end {stamp(7)}\n"
                    f"{' '.join(second)} start {stamp(6)}\n")
        a.send_while(400, lambda: reload(lab))
        assert [lab.role(n, "control") for n in lab.nodes] == controls  # read in place
        assert caks(lab, "nyc1")[second[0]]["state"] == "future"
        assert caks(lab, "nyc1")[first[0]]["state"] == "principal"
        assert key_of(lab, "fra1") == before

        def roll():
            until("the new participant runs", lambda: caks(lab, "nyc1")[second[0]]["state"]
                  in ("ready", "no-peers", "principal"), 20)
            lab.kill("nyc1", "control")
            until("all are under the second key\n" + lab.logs(),
                  lambda: settled(lab, second[0], before), 60)
        b.send_while(400, lambda: a.send_while(400, roll))
        a.send_while(400, lambda: until("nothing is left of the first", lambda: all(
            caks(lab, n)[first[0]]["state"] == "expired" for n in lab.nodes), 60))
        assert a.lost() == [] and b.lost() == []
    assert mka(lab, "nyc1")["adopted"]
    assert mka(lab, "sin1")["reason"] is None
    lab.assert_clean()
    chain.write(" ".join(second) + "\n")
    reload(lab)


def test_a_mismatch_falls_back_and_is_mended_without_loss(lab):
    chain, spare = Secret(lab, "core-cak"), Secret(lab, "spare-cak")
    fallback = spare.text.split()[0]
    ckn = chain.text.split()[0]
    before = key_of(lab, "fra1")
    with Stream(lab, "host-fra", "host-nyc") as a, Stream(lab, "host-sin", "host-fra") as b:
        a.send(100, 500)
        b.send(100, 500)
        chain.write(f"{ckn} {'77' * 32}\n")     # another CAK under the same name, on one node
        a.send_while(400, lambda: reload(lab, ["sin1"]))
        chain.write(chain.text)
        b.send_while(400, lambda: a.send_while(400, lambda: until(
            "all are under the fallback\n" + lab.logs(),
            lambda: settled(lab, fallback, before), 60)))
        for node in lab.nodes:
            assert "the fallback spare-cak is in use" in mka(lab, node)["reason"]
        assert "the fallback" in lab.show("fra1", "overlays")["overlays"][0]["reason"]
        assert caks(lab, "fra1")[ckn]["dropped"]["icv-wrong"] > 0
        told = [(e["event"], e["text"]) for e in lab.show("fra1", "events 0")["events"]]
        assert ("cak-used", f"CAK {fallback} of the fallback is used") in told, told
        before = key_of(lab, "fra1")
        a.send_while(400, lambda: reload(lab, ["sin1"]))
        b.send_while(400, lambda: a.send_while(400, lambda: until(
            "all are under the chain again\n" + lab.logs(),
            lambda: settled(lab, ckn, before), 60)))
        a.send(200, 500)
        assert a.lost() == [] and b.lost() == []
    assert mka(lab, "fra1")["reason"] is None
    lab.assert_clean()


@pytest.mark.parametrize("text, says", [
    ("", "no key"),
    (f"01 {'00' * 16}\n# x\n02 {'00' * 16}\n", "line 3: it starts when line 1 does"),
    (f"01 {'00' * 16} start 2027-02-30T00:00:00Z\n", "line 1: `start` wants a time"),
    (None, "No such file"),
])
def test_a_chain_that_is_not_good_changes_nothing(lab, text, says):
    chain = Secret(lab, "core-cak")
    before, peers = key_of(lab, "fra1"), lab.peers("fra1")
    if text is None:
        os.unlink(chain.path)
    else:
        chain.write(text)
    answer = lab.ask("fra1", "reload")
    chain.write(chain.text)
    assert not answer["valid"] and not answer["keys"], answer
    assert says in answer["errors"][0]["text"], answer
    time.sleep(1)
    assert key_of(lab, "fra1") == before
    assert lab.peers("fra1").keys() == peers.keys()


def test_a_fallback_needs_a_name_of_its_own(lab):
    chain, spare = Secret(lab, "core-cak"), Secret(lab, "spare-cak")
    spare.write(f"{chain.text.split()[0]} {'11' * 16}\n")
    answer = lab.ask("nyc1", "reload")
    spare.write(spare.text)
    assert not answer["valid"]
    assert "stands in the key chain core-cak too" in answer["errors"][0]["text"], answer
