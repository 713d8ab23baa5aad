"""IKEv2 with strangers that key Linux XFRM in the guest: strongSwan and libreswan, each calling and
being called.

The engine's end (ike_peer) answers the pings that the stranger's kernel sends through the tunnel:
they come back only when SPIs, keys and directions agree.
"""
import pytest

from lib.netns import Namespace
from lib.until import until
from lib.wire import SocketEnd, TapEnd, Wire
from strangers import Engine
from xfrm import (INNER, OUR_MAC, OUR_NAME, OUTER, PPK, PPK_ID, PSK, STRANGERS, THEIR_NAME, Authority,
                  Case, Place, pem)

KINDS = ("rsa", "ecdsa256", "ecdsa384", "ed25519")
BOTH = pytest.mark.parametrize("who", ["ours", "theirs"])


@pytest.fixture(scope="module")
def authorities():
    return {kind: Authority(kind) for kind in KINDS}


@pytest.fixture(scope="module", params=list(STRANGERS))
def stranger(request, guest, authorities):
    place = Place(guest)
    try:
        s = STRANGERS[request.param](place, authorities)
        s.start()
        yield s
    finally:
        place.remove()


@pytest.fixture(scope="module")
def cable(stranger):
    """A namespace whose w0 is at the other end of the guest's eth0."""
    ns = Namespace("ours")
    wire = Wire(TapEnd(ns, "w0", OUR_MAC), SocketEnd(stranger.place.guest.plugs[0]))
    for version, (us, them) in OUTER.items():
        ns.ip("addr", "add", f"{us}/{24 if version == 4 else 64}", "dev", "w0",
              *(["nodad"] if version == 6 else []))
        ns.ip("neigh", "replace", them, "lladdr", stranger.place.guest.macs[0], "dev", "w0", "nud",
              "permanent")
    ns.ip("link", "set", "w0", "up")
    yield ns
    wire.close()
    ns.delete()


class Pair:
    """The engine and a stranger that knows a case."""

    def __init__(self, stranger, cable, case, **options):
        self.stranger, self.place, self.cable, self.case = stranger, stranger.place, cable, case
        us, them = INNER[case.inner]
        self.options = dict(local=OUTER[case.outer][0], remote=OUTER[case.outer][1],
                            local_id=OUR_NAME, remote_id=THEIR_NAME, ts_local=f"{us}-{us}",
                            ts_remote=f"{them}-{them}", **options)
        stranger.load(case)
        self.engine = Engine(cable, **self.options)

    def words(self):
        return f"{self.engine.told()}\n{self.stranger.log()}"

    def bring_up(self, who):
        """One end calls the other, and there is an IKE SA of its making with a child."""
        if who == "ours":
            self.engine.say("up")
        else:
            self.stranger.initiate()
        until(self.words, lambda: any(sa["initiator"] == (who == "ours") and sa["children"]
              for sa in self.engine.established()) and len(self.place.sas()) >= 2, 20)

    def carries(self, count=3):
        assert self.place.ping(self.case.inner, count) == count, self.words()
        assert self.engine.show()["esp_bad"] == 0 and not self.place.stat()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stranger.clear()
        self.engine.stop()
        self.place.run("ip xfrm state flush; ip xfrm policy flush")


@pytest.fixture
def pair(stranger, cable):
    """pair(case, engine's options)."""
    def make(case=None, **options):
        case = case or Case(encap=True, esn=False)
        return Pair(stranger, cable, case, **{**(dict(psk=PSK) if case.auth == "psk" else {}),
                                              **options})
    return make


@BOTH
@pytest.mark.parametrize("outer", [4, 6], ids=["ipv4", "ipv6"])
def test_shared_secret(pair, outer, who):
    with pair(Case(outer=outer, encap=True, esn=False)) as p:
        p.bring_up(who)
        p.carries()
        sa = p.engine.established()
        assert len(sa) == 1 and sa[0]["initiator"] == (who == "ours")
        assert sa[0]["suite"] == "aes-gcm-16-256 prf-hmac-sha2-384 x25519"
        sas = p.place.sas()
        assert len(sas) == 2 and all(s["encap"] and s["mode"] == "tunnel" for s in sas)


def credentials(authority, tmp_path):
    key, cert = authority.issue(OUR_NAME)
    for name, content in [("key", key), ("cert", cert), ("ca", pem(authority.cert))]:
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in ("key", "cert", "ca")}


@BOTH
def test_certificates_with_every_kind_of_key_it_knows(pair, stranger, authorities, tmp_path, who):
    for kind in sorted(set(KINDS) & set(stranger.kinds)):
        with pair(Case(auth=kind, encap=True, esn=False),
                  **credentials(authorities[kind], tmp_path)) as p:
            p.bring_up(who)
            p.carries()
            assert p.engine.established()[0]["auth"] == "signature"


@BOTH
def test_large_certificates_arrive_in_fragments(pair, authorities, tmp_path, who):
    with pair(Case(auth="rsa", encap=True, esn=False, fragment=True),
              **credentials(authorities["rsa"], tmp_path)) as p:
        p.bring_up(who)
        p.carries()
        assert p.engine.show()["results"]["fragment-more"] >= 1


@BOTH
def test_post_quantum_key(pair, who):
    with pair(Case(encap=True, esn=False, ppk=True), ppk_id=PPK_ID, ppk=PPK, ppk_required=1) as p:
        p.bring_up(who)
        p.carries()
        assert p.engine.established()[0]["ppk"]


@BOTH
def test_a_proposal_of_old_boxes(pair, who):
    old = Case(encap=True, esn=False, ike=("aes256-sha256-modp2048", "aes256-sha2_256-dh14"),
               esp=("aes256-sha256", "aes256-sha2_256"))
    with pair(old, compatible=1, pfs=0) as p:
        p.bring_up(who)
        p.carries()
        assert "modp-2048" in p.engine.established()[0]["suite"]
        assert all(s["cipher"] == "cbc(aes)" and s["hash"] == "hmac(sha256)" for s in p.place.sas())


def test_keys_change_from_either_end_and_from_both_while_packets_pass(pair, stranger):
    with pair() as p:
        p.bring_up("ours")
        us, them = INNER[4]
        ping = p.place.start(f"ping -q -n -c 10000 -i 0.003 -W 3 -I {them} {us}")
        for ours, theirs in [("rekey-child", None), (None, "child"), ("rekey-ike", None),
                             (None, "ike"), ("rekey-child", "child"), ("rekey-ike", "ike"),
                             ("rekey-ike", "child"), ("rekey-child", "ike")]:
            before = p.engine.show()
            job = stranger.rekey(theirs) if theirs else None
            if ours:
                p.engine.say(ours)
            until(p.words, lambda: p.engine.show()["rekeys"] + p.engine.show()["child_rekeys"]
                  > before["rekeys"] + before["child_rekeys"], 20)
            if job:
                job.wait(30, check=False)
        assert not ping.done()
        out = ping.wait(120, check=False)
        assert "10000 received" in out, out + p.words()
        shown = p.engine.show()
        assert shown["rekeys"] >= 4 and shown["child_rekeys"] >= 4 and shown["lost"] == 0
        assert shown["esp_bad"] == 0
        until(p.words, lambda: len(p.engine.established()) == 1, 20)
        until(p.words, lambda: len(p.engine.children()) == 1, 20)
        assert p.place.ping() == 5


def test_the_stranger_is_killed_and_calls_again(pair, stranger):
    with pair() as p:
        p.bring_up("ours")
        stranger.kill()
        stranger.start()
        stranger.load(p.case)
        p.bring_up("theirs")
        p.carries()
        until(p.words, lambda: len(p.engine.established()) == 1, 20)


def test_the_stranger_notices_that_we_are_gone_and_hears_us_again(pair):
    with pair(Case(encap=True, esn=False, dpd=1)) as p:
        p.bring_up("ours")
        p.engine.process.kill()
        p.engine.process.wait()
        until(p.words, lambda: not p.place.sas(), 40)
        p.engine = Engine(p.cable, **p.options)
        p.bring_up("ours")
        p.carries()
        until(p.words, lambda: p.stranger.established() == 1, 10)
