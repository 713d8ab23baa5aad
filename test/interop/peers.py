"""The strangers, as they are set up in the guest: wpa_supplicant's MKA, Linux MACsec by hand."""
import json

class Supplicant:
    """wpa_supplicant doing MKA for Linux MACsec on one interface of the guest, in a network
    namespace of its own there. The MACsec interface it makes is `macsec0`."""

    program = "wpa_supplicant"

    def __init__(self, guest, ifname, cak, ckn, priority, address, window=0):
        self.guest, self.ifname, self.ns = guest, ifname, f"wpa-{ifname}"
        self.address, self.under = address, ifname
        self.dir = f"/run/{self.ns}"
        guest.run(f"""set -e
            ip netns add {self.ns}
            ip link set {ifname} netns {self.ns}
            ip -n {self.ns} link set {ifname} allmulticast on up
            mkdir -p {self.dir}""")
        guest.put(f"{self.dir}/conf", f"""ctrl_interface={self.dir}/ctrl
eapol_version=3
ap_scan=0
network={{
    key_mgmt=NONE
    eapol_flags=0
    macsec_policy=1
    macsec_replay_protect=1
    macsec_replay_window={window}
    mka_cak={cak.hex()}
    mka_ckn={ckn.hex()}
    mka_priority={priority}
}}""")

    def start(self):
        """Starts it; the MACsec interface gets its address when it is there (see ready())."""
        self.guest.run(f"""set -e
            ip netns exec {self.ns} {self.program} -i {self.under} -D macsec_linux \\
                -c {self.dir}/conf -P {self.dir}/pid -f {self.dir}/log -B -dd""")

    def run_instead(self, binary):
        """Before start(): another wpa_supplicant than the guest's, as octets."""
        self.program = f"{self.dir}/wpa_supplicant"
        self.guest.put_program(self.program, binary)

    def kill(self):
        """kill -9. The MACsec interface stays in the kernel as after a crash, and goes here too:
        2.10 takes up an interface that it finds, but then cannot add a channel that is in it."""
        self.guest.run(f"""
            pid=$(cat {self.dir}/pid)
            kill -9 $pid
            while kill -0 $pid 2>/dev/null; do sleep 0.05; done
            ip -n {self.ns} link del macsec0""")

    def on_vlan(self, vlan, outer=None):
        """Before start(): runs on a VLAN of the interface, so that all it sends is tagged."""
        vlans, self.under = vlan_links(self.ns, self.ifname, vlan, outer)
        self.guest.run(f"set -e\n{vlans}")

    def macsec(self):
        """What the kernel says of macsec0, with counters; None when there is no such interface."""
        out = self.guest.run(f"ip -n {self.ns} -j -s macsec show macsec0", check=False)
        return json.loads(out)[0] if out.strip() else None

    def ready(self):
        """True when macsec0 sends and receives under a SAK; sets its address by the way."""
        state = self.macsec()
        if not state:
            return False
        self.guest.run(f"""
            ip -n {self.ns} addr replace {self.address} dev macsec0
            ip -n {self.ns} link set macsec0 up""")
        return (any(sa["active"] for sa in state["sa_list"])
                and any(sa["active"] for sc in state["rx_sc"] for sa in sc["sa_list"]))

    def ping(self, address, count=5, interval=0.2, limit=60):
        """Echo requests through macsec0; how many were answered."""
        out = self.guest.run(f"ip netns exec {self.ns} ping -q -c {count} -i {interval} -W 2 "
                             f"{address} || true", timeout=limit)
        return int(out.split(" received")[0].split()[-1])

    def log(self):
        return self.guest.run(f"cat {self.dir}/log", check=False)

    def remove(self):
        self.guest.run(f"""
            [ ! -e {self.dir}/pid ] || kill -9 $(cat {self.dir}/pid)
            ip -n {self.ns} link del macsec0
            [ {self.under} = {self.ifname} ] || ip -n {self.ns} link del {self.under}
            ip -n {self.ns} link set {self.ifname} netns 1
            ip netns del {self.ns}
            rm -rf {self.dir}""", check=False)


def vlan_links(ns, ifname, vlan=None, outer=None):
    """Commands that make the VLAN interface of a port with these tags in clear, and its name. outer
    is (TPID, VLAN) of a tag around `vlan`."""
    commands, under = [], ifname
    for tpid, number in [outer] * bool(outer) + [(0x8100, vlan)] * bool(vlan):
        proto = {0x8100: "802.1Q", 0x88A8: "802.1ad"}[tpid]
        name = f"{under}.{number}"
        commands += [f"ip -n {ns} link add link {under} name {name} type vlan proto {proto} "
                     f"id {number}", f"ip -n {ns} link set {name} up"]
        under = name
    return "\n".join(commands), under


class KernelMacsec:
    """Linux MACsec with keys set by hand, on an interface of the guest or on a VLAN of it.
    options: of `ip link add … type macsec`."""

    def __init__(self, guest, ifname, suite, address, vlan=None, window=None,
                 options="encrypt on", outer=None):
        self.guest, self.ns, self.ifname = guest, f"ms-{ifname}", ifname
        self.xpn = "xpn" in suite
        vlans, under = vlan_links(self.ns, ifname, vlan, outer)
        protect = "" if window is None else f"replay on window {window}"
        guest.run(f"""set -e
            ip netns add {self.ns}
            ip link set {ifname} netns {self.ns}
            ip -n {self.ns} link set {ifname} allmulticast on up
            {vlans}
            ip -n {self.ns} link add link {under} ms0 type macsec cipher {suite} {options} \\
                {protect}
            ip -n {self.ns} addr add {address} dev ms0""")

    def _number(self, pn, ssci, salt):
        return f"xpn {pn} salt {salt.hex()} ssci {ssci}" if self.xpn else f"pn {pn}"

    def transmit(self, an, key, key_id, pn=1, ssci=None, salt=None):
        self.guest.run(f"""set -e
            ip -n {self.ns} macsec add ms0 tx sa {an} {self._number(pn, ssci, salt)} on \\
                key {key_id.hex()} {key.hex()}
            ip -n {self.ns} link set ms0 type macsec encodingsa {an}
            ip -n {self.ns} link set ms0 up""")

    def receive(self, sci, an, key, key_id, pn=1, ssci=None, salt=None):
        self.guest.run(f"""set -e
            ip -n {self.ns} macsec add ms0 rx sci {sci:016x} on
            ip -n {self.ns} macsec add ms0 rx sci {sci:016x} sa {an} \\
                {self._number(pn, ssci, salt)} on key {key_id.hex()} {key.hex()}""")

    def macsec(self):
        return json.loads(self.guest.run(f"ip -n {self.ns} -j -s macsec show ms0"))[0]

    def ping(self, address, count=5, interval=0.2, limit=60):
        out = self.guest.run(f"ip netns exec {self.ns} ping -q -c {count} -i {interval} -W 2 "
                             f"{address} || true", timeout=limit)
        return int(out.split(" received")[0].split()[-1])

    def remove(self):
        self.guest.run(f"""
            ip -n {self.ns} link del ms0
            for l in $(ip -n {self.ns} -br link show type vlan | cut -d@ -f1); do
                ip -n {self.ns} link del $l
            done
            ip -n {self.ns} link set {self.ifname} netns 1
            ip netns del {self.ns}""", check=False)
