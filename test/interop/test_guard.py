"""The wan guards on the kernel that Debian ships, which need not be the one that runs the tests."""
import base64

from lib.daemon import BUILD

# The far end counts what left; the near end what the host took up from the wire.
SCRIPT = r"""
set -e
mkdir -p /tmp
base64 -d >/tmp/guard.bpf.o <<'END-OF-FILE'
{guard}
END-OF-FILE
mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
ip netns add far
ip link add guard0 type veth peer name guard1 netns far
ip addr add 192.0.2.1/24 dev guard0
ip -n far addr add 192.0.2.2/24 dev guard1
ip link set guard0 up
ip -n far link set guard1 up
ping -c 1 -W 5 192.0.2.2 >/dev/null && echo open
tc qdisc add dev guard0 clsact
for side in egress ingress; do
	tc filter add dev guard0 $side pref 1 handle 1 \
		bpf da obj /tmp/guard.bpf.o program guard_$side
	tc filter show dev guard0 $side | grep -c "name guard_$side"
done
count() {{ ip netns exec far cat /sys/class/net/guard1/statistics/rx_packets; }}
before=$(count)
ping -c 3 -i 0.2 -W 1 192.0.2.2 >/dev/null || echo shut
ip netns exec far ping -c 3 -i 0.2 -W 1 192.0.2.1 >/dev/null || echo "shut inwards"
echo "left: $(($(count) - before))"
ip netns del far
"""


def test_debian_s_kernel_takes_the_guards_and_they_shut_the_interface(guest):
    guard = base64.encodebytes((BUILD / "src/proc/guard.bpf.o").read_bytes()).decode().strip()
    out = guest.run(SCRIPT.format(guard=guard))
    assert out.split("\n")[:6] == ["open", "1", "1", "shut", "shut inwards", "left: 0"], out
