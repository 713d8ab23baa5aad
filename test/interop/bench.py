"""One myelind and one stranger on a cable: what the interop tests are set up from."""
import itertools

from lib.daemon import Node
from lib.decode import complaints
from lib.dot1x import Listener
from lib.netns import Namespace
from lib.until import until
from lib.wire import SocketEnd, TapEnd, Wire
from peers import Supplicant

US, THEM, OTHER = "192.0.2.1", "192.0.2.2", "192.0.2.3"
OUR_MAC = "02:00:5e:00:00:01"
OUR_SCI = 0x02005E0000010001
PATTERN = b"seen in clear?!"     # in every echo request that a test sends; ping -p takes 16
numbers = itertools.count(1)


def config(overlay, port="", name="us"):
    return f"""
backbone interop;
site here {{ location 50.11,8.68; networks 10.1.0.0/24; }}
service wave {{ type ethernet; topology e-lan; mtu 1600; }}
node {name} {{
    id 1; site here;
    port wan {{ interface wan0; service wave; {port} }}
}}
peer them {{ vendor linux; service wave; }}
overlay core {{
    design macsec; over wave; members [ {name} them ]; subnet 192.0.2.0/24; routing external;
    {overlay}
}}
"""


class Setup:
    """myelind in a namespace with interface wan0, whose cable ends at the guest. Close it."""

    readable = False        # some of what is on the cable is not encrypted

    def __init__(self, guest, tmp_path, overlay, secrets, port="", third=False):
        self.guest, self.tmp_path = guest, tmp_path
        self.namespace = Namespace(f"us{next(numbers)}")
        try:
            plugs = guest.plugs[:2] if third else guest.plugs[:1]
            self.wire = Wire(TapEnd(self.namespace, "wan0", OUR_MAC, 1600), *map(SocketEnd, plugs))
            self.node = Node(self.namespace, "us", config(overlay, port), secrets, tmp_path)
        except BaseException:
            self.namespace.delete()
            raise
        self.peers = []

    def close(self):
        try:
            if self.node.process:
                self.node.stop()
        finally:
            for peer in self.peers:
                peer.remove()
            self.wire.close()
            self.namespace.delete()

    def report(self):
        """What everybody has to say, after a failure; frames stay in wire.pcap beside."""
        for peer in self.peers:
            if isinstance(peer, Supplicant):
                print("wpa_supplicant said:\n" + "\n".join(
                    line for line in peer.log().splitlines() if "hexdump" not in line)[-2000:])
            print("kernel:", peer.macsec())
        for words in ("peers", "mka", "sa", "counters", "ports"):
            print(words, self.node.show(words))
        print("myelind said:\n" + self.node.said()[-4000:])

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind:
                self.report()
            else:
                self.tshark_is_content()
        finally:
            self.wire.save(self.tmp_path / "wire.pcap")
            self.close()

    def ping(self, address, count=5, interval=0.2, limit=60):
        """Echo requests with PATTERN from our side; how many were answered."""
        out = self.namespace.run("ping", "-q", "-c", count, "-i", interval, "-W", 2, "-p",
                                 PATTERN.hex(), address, check=False, timeout=limit)
        return int(out.split(" received")[0].split()[-1]) if " received" in out else 0

    def counters(self):
        """Our SecY's counters by the standard's names."""
        return self.node.show("counters")["secys"][0]["counters"]

    def kernel_counters(self):
        """The kernel's: of its SecY, its transmit SC and its one receive SC together."""
        state = self.peer.macsec()
        return {**state, **state["rx_sc"][0]}

    def counters_agree(self, opened):
        """Both ends count the frames on the wire. `opened` gives all the MACsec frames so far."""
        def counts():
            frames = opened()
            ours, kernel = self.counters(), self.kernel_counters()
            sent = sum(frame.sci == OUR_SCI for frame in frames)
            return ((sent, ours["OutPktsEncrypted"], kernel["InPktsOK"]),
                    (len(frames) - sent, kernel["OutPktsEncrypted"], ours["InPktsOK"]))
        until(lambda: f"equal counts: {counts()}",
              lambda: all(len(set(count)) == 1 for count in counts()), 15)

    def tshark_is_content(self):
        """It decodes all that was on the wire and has nothing to say against any of it."""
        pcap = self.tmp_path / "tshark.pcap"
        self.wire.save(pcap)
        assert not complaints(pcap, but="(arp || icmp)" if self.readable else "")

    def peer_live(self, sci):
        """True when the peer of that SCI is live and a SAK with it is in use."""
        shown = self.node.show("peers") or {"peers": []}
        return any(int(p["sci"], 16) == sci and p["state"] == "live" and p["key-id"]
                   for p in shown["peers"])


class MkaSetup(Setup):
    """The same with wpa_supplicant at the other end."""

    def __init__(self, guest, tmp_path, cak, we_serve, rekey="0s", port="", third=False,
                 suite="gcm-aes-128", mka=""):
        ckn = b"interop " + str(next(numbers)).encode()
        ours, theirs = (10, 20) if we_serve else (20, 10)
        super().__init__(guest, tmp_path, f"""
    keying mka;
    macsec {{ cipher-suite {suite}; }}
    mka {{ key-chain cak; rekey {rekey}; {mka} }}
    member us {{ priority {ours}; }}
    member them {{ address {THEM}; }}""", {"cak": f"{ckn.hex()} {cak.hex()}\n"}, port, third)
        self.cak = cak
        self.peer = Supplicant(guest, "eth0", cak, ckn, theirs, THEM + "/24")
        self.peers.append(self.peer)
        if third:
            self.third = Supplicant(guest, "eth1", cak, ckn, 30, OTHER + "/24")
            self.peers.append(self.third)
        self.peer_sci = int(guest.macs[0].replace(":", ""), 16) << 16 | 1

    def bring_up(self, limit=60):
        self.node.start()
        self.peer.start()
        self.wait_secured(limit)

    def wait_secured(self, limit=60):
        until("a SAK in use at both ends",
              lambda: self.peer_live(self.peer_sci) and self.peer.ready(), limit)
        until("an answer through it", lambda: self.ping(THEM, 1), limit)

    def listen(self):
        """Everything on the wire so far, decoded from the MKPDUs on, with the CAK alone."""
        listener = Listener(self.cak)
        for seen in self.wire.since(0):
            listener.feed(seen.raw)
        return listener
