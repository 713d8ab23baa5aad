#include "proc/iface.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BRIDGE_QUEUE 4096       /* frames between a lan and a worker that is not scheduled */
#define BRIDGE_MTU 9600         /* bytes: more than any wan carries */
#define SOCKET_BUFFER (8 << 20) /* bytes: what arrives while a worker is not scheduled */

int iface_tap_open(const char *ifname)
{
	struct ifreq ifr = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL)};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), down = 0, err;

	if (fd < 0)
		return -errno;
	memccpy(ifr.ifr_name, ifname, 0, IFNAMSIZ - 1);
	/* No offload: what we read is finished, segmented and has its checksums. */
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETOFFLOAD, 0) < 0 ||
	    ioctl(fd, TUNSETCARRIER, &down) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int iface_bridge_open(const char *ifname)
{
	struct ifreq ifr = {.ifr_qlen = BRIDGE_QUEUE};
	int fd = iface_tap_open(ifname), s, up = 1, err = 0;

	if (fd < 0)
		return fd;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memccpy(ifr.ifr_name, ifname, 0, IFNAMSIZ - 1);
	if (s < 0 || ioctl(s, SIOCSIFTXQLEN, &ifr) < 0)
		err = -errno;
	ifr.ifr_mtu = BRIDGE_MTU;
	if (!err && (ioctl(s, SIOCSIFMTU, &ifr) < 0 || ioctl(fd, TUNSETCARRIER, &up) < 0))
		err = -errno;
	if (s >= 0)
		close(s);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int iface_promisc_open(unsigned ifindex)
{
	/* Protocol 0: nothing is received by it. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;
	struct packet_mreq all = {.mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_PROMISC};

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Loads at SKF_AD_OFF are what the kernel knows of the frame. A = that word. */
#define LOAD(what) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + (what)))
#define JUMP_EQ(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (yes), (no))

#define NET(size, at) BPF_STMT(BPF_LD | (size) | BPF_ABS, (uint32_t)(SKF_NET_OFF + (at)))
#define UPPER(size, at) BPF_STMT(BPF_LD | (size) | BPF_IND, (uint32_t)(SKF_NET_OFF + (at)))
#define TAKE BPF_STMT(BPF_RET | BPF_K, 0x40000)
#define DROP BPF_STMT(BPF_RET | BPF_K, 0)
#define FILTER_MAX 64

/* Of IP, at the instruction that has the protocol in A and the offset of what it is in X: falls
 * through when it is ESP, UDP to port 4500, or ICMP of that type and code; else drops. */
#define ESP_OR_DROP(icmp, type)                                                                    \
	JUMP_EQ(IPPROTO_ESP, 7, 0), JUMP_EQ(IPPROTO_UDP, 0, 2), UPPER(BPF_H, 2),                   \
		JUMP_EQ(4500, 4, 3), JUMP_EQ(icmp, 0, 2), UPPER(BPF_H, 0), JUMP_EQ(type, 1, 0),    \
		DROP

int iface_packet_filter(int fd, const struct iface_filter *f)
{
	const uint32_t not_ours = f->others ? UINT32_MAX : PACKET_OTHERHOST;
	const uint32_t vid = f->vlan;
	/* Of what came in pieces all pieces are taken: only the first one shows its ports. */
	struct sock_filter esp[] = {
		JUMP_EQ(ETH_P_IP, 0, 15),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, (uint32_t)SKF_NET_OFF),
		NET(BPF_H, 6),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 0, 2),
		NET(BPF_B, 9),
		JUMP_EQ(IPPROTO_UDP, 9, 1),
		NET(BPF_B, 9),
		ESP_OR_DROP(IPPROTO_ICMP, 3 << 8 | 4),
		BPF_STMT(BPF_JMP | BPF_JA, 13),
		JUMP_EQ(ETH_P_IPV6, 1, 0),
		DROP,
		NET(BPF_B, 6),
		JUMP_EQ(IPPROTO_FRAGMENT, 9, 0),
		BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 40),
		ESP_OR_DROP(IPPROTO_ICMPV6, 2 << 8),
	};
	/* Untagged means also priority-tagged: a tag that names no VLAN. */
	struct sock_filter tag[] = {
		LOAD(SKF_AD_VLAN_TAG_PRESENT),
		JUMP_EQ(0, vid ? 4 : 3, 0),
		LOAD(SKF_AD_VLAN_TAG),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfff),
		JUMP_EQ(vid, 0, f->clear && !vid ? 0 : 1),
		TAKE,
		DROP,
	};
	struct sock_filter all[FILTER_MAX];
	struct sock_fprog prog = {.len = 0, .filter = all};
	const uint8_t skip = f->esp ? sizeof(esp) / sizeof(esp[0]) : 1;
	const struct sock_filter head[] = {
		LOAD(SKF_AD_PKTTYPE),
		JUMP_EQ(not_ours, 0, 1),
		DROP,
		LOAD(SKF_AD_PROTOCOL),
		JUMP_EQ(f->type, skip, f->clear ? skip : 0),
	};
	const struct sock_filter drop[] = {DROP};

	_Static_assert(sizeof(head) + sizeof(esp) + sizeof(tag) <= sizeof(all), "it fits");
#define APPEND(part)                                                                               \
	do {                                                                                       \
		memcpy(all + prog.len, part, sizeof(part));                                        \
		prog.len = (uint16_t)(prog.len + sizeof(part) / sizeof((part)[0]));                \
	} while (0)
	APPEND(head);
	if (f->esp)
		APPEND(esp);
	else
		APPEND(drop);
	APPEND(tag);
#undef APPEND
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

static int packet_setup(int fd, unsigned ifindex, const struct iface_filter *f,
			const uint8_t *group)
{
	const int on = 1, size = SOCKET_BUFFER;
	struct packet_mreq join = {.mr_ifindex = (int)ifindex,
				   .mr_type = f->others ? PACKET_MR_PROMISC
					      : group   ? PACKET_MR_MULTICAST
							: PACKET_MR_ALLMULTI};
	struct sockaddr_ll sa = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)ifindex};
	int err = iface_packet_filter(fd, f);

	if (err)
		return err;
	if (group) {
		join.mr_alen = 6;
		memcpy(join.mr_address, group, 6);
	}
	/* Only a group address can be joined; our own is heard anyway. */
	if ((!group || (group[0] & 1)) &&
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &join, sizeof(join)) < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0)
		return -errno;
	/* Without the room it works too, with losses under load. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
}

int iface_packet_open(unsigned ifindex, const struct iface_filter *filter, const uint8_t *group)
{
	/* Protocol 0: nothing is received before the filter stands and bind() names one. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0)
		return -errno;
	err = packet_setup(fd, ifindex, filter, group);
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int dhcp_filter(int fd)
{
	/* A load beyond the frame's end drops it. */
	struct sock_filter f[] = {
		LOAD(SKF_AD_PKTTYPE),
		JUMP_EQ(PACKET_OTHERHOST, 12, 0),
		LOAD(SKF_AD_VLAN_TAG_PRESENT),
		JUMP_EQ(0, 0, 10),
		LOAD(SKF_AD_PROTOCOL),
		JUMP_EQ(ETH_P_IP, 0, 8),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 14 + 9),
		JUMP_EQ(IPPROTO_UDP, 0, 6),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 14 + 6),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x3fff, 4, 0),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 14 + 2),
		JUMP_EQ(68, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0x40000),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = {.len = sizeof(f) / sizeof(f[0]), .filter = f};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

int iface_dhcp_open(unsigned ifindex)
{
	struct sockaddr_ll sa = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)ifindex};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, err;

	if (fd < 0)
		return -errno;
	err = dhcp_filter(fd);
	if (!err && (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
		     bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int iface_packet_mark(int fd, uint32_t mark)
{
	return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ? -errno : 0;
}

static int sysctl_set(const char *family, const char *ifname, const char *name)
{
	char path[128];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, ifname, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, "1", 1) != 1)
		err = -errno;
	close(fd);
	return err;
}

int iface_forwarding(const char *ifname, bool ipv6)
{
	int err = sysctl_set("ipv4", ifname, "forwarding");

	if (!err && ipv6) {
		err = sysctl_set("ipv6", "all", "forwarding");
		if (!err)
			err = sysctl_set("ipv6", ifname, "forwarding");
	}
	return err;
}

int iface_follow_carrier(const char *ifname)
{
	int err = sysctl_set("ipv4", ifname, "ignore_routes_with_linkdown");

	if (!err)
		err = sysctl_set("ipv6", ifname, "ignore_routes_with_linkdown");
	return err == -ENOENT ? 0 : err; /* a kernel without IPv6 */
}
