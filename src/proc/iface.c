#include "proc/iface.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef TUN_F_USO4 /* headers of before Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define BRIDGE_QUEUE 4096       /* frames between a lan and a worker that is not scheduled */
#define BRIDGE_MTU 9600         /* bytes: more than any wan carries */
#define SOCKET_BUFFER (8 << 20) /* bytes: what arrives while a worker is not scheduled */

/* Has the kernel leave checksums and segmentation to who reads the TAP, as far as it does: of UDP
 * since Linux 6.2. Without, what is read is finished. */
static int tap_offload(int fd)
{
	const unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	if (ioctl(fd, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) == 0 ||
	    ioctl(fd, TUNSETOFFLOAD, tcp) == 0)
		return 0;
	return ioctl(fd, TUNSETOFFLOAD, 0);
}

int iface_tap_open(const char *ifname)
{
	struct ifreq ifr = {.ifr_flags =
				    (short)(IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL | IFF_VNET_HDR)};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), down = 0, err;

	if (fd < 0)
		return -errno;
	memccpy(ifr.ifr_name, ifname, 0, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 || tap_offload(fd) < 0 ||
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
#define LOAD_HALF(at) BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (at))
#define LOAD_KEPT(cell) BPF_STMT(BPF_LD | BPF_MEM, (cell))
#define KEEP(cell) BPF_STMT(BPF_ST, (cell))
#define ALU(op, k) BPF_STMT(BPF_ALU | (op) | BPF_K, (k))
#define JUMP_EQ(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (yes), (no))
#define TAKE BPF_STMT(BPF_RET | BPF_K, 0x40000)
#define DROP BPF_STMT(BPF_RET | BPF_K, 0)

#define NET(size, at) BPF_STMT(BPF_LD | (size) | BPF_ABS, (uint32_t)(SKF_NET_OFF + (at)))
#define UPPER(size, at) BPF_STMT(BPF_LD | (size) | BPF_IND, (uint32_t)(SKF_NET_OFF + (at)))

/* Of IP, at the instruction that has the protocol in A and the offset of what it is in X: falls
 * through when it is ESP, UDP to port 4500, or ICMP of that type and code; else drops. `in`: bytes
 * of a tag in front of the IP header. */
#define ESP_OR_DROP(icmp, type, in)                                                                \
	JUMP_EQ(IPPROTO_ESP, 7, 0), JUMP_EQ(IPPROTO_UDP, 0, 2), UPPER(BPF_H, 2 + (in)),            \
		JUMP_EQ(4500, 4, 3), JUMP_EQ(icmp, 0, 2), UPPER(BPF_H, (in)), JUMP_EQ(type, 1, 0), \
		DROP

/* Cells of the filter's memory. */
enum { CELL_TAGS, CELL_TYPE, CELL_OUTER, CELL_FOR };

/* The tags of a frame as one number, a bit for each TPID above the two identifiers. */
#define TAGS_TWO (1u << 24)
#define TAGS_S (2u << 24)

static uint32_t row_tags(const struct iface_row *r)
{
	if (!r->outer_type)
		return r->vlan;
	return (r->outer_type == ETH_P_8021AD ? TAGS_S : TAGS_TWO) | (uint32_t)r->outer_vlan << 12 |
	       r->vlan;
}

/* What a row for tunnels takes besides, at most of so many instructions; returns how many. */
#define ESP_ROW 40

static unsigned esp_row(struct sock_filter f[ESP_ROW], const struct iface_row *r)
{
	const int in =
		r->outer_type ? 4 : 0; /* the outer tag is out of the frame, the inner in it */
	/* Of what came in pieces all pieces are taken: only the first one shows its ports. */
	const struct sock_filter esp[] = {
		LOAD_KEPT(CELL_TYPE),
		JUMP_EQ(ETH_P_IP, 0, 15),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, (uint32_t)(SKF_NET_OFF + in)),
		NET(BPF_H, 6 + in),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 0, 2),
		NET(BPF_B, 9 + in),
		JUMP_EQ(IPPROTO_UDP, 9, 1),
		NET(BPF_B, 9 + in),
		ESP_OR_DROP(IPPROTO_ICMP, 3 << 8 | 4, in),
		BPF_STMT(BPF_JMP | BPF_JA, 13),
		JUMP_EQ(ETH_P_IPV6, 1, 0),
		DROP,
		NET(BPF_B, 6 + in),
		JUMP_EQ(IPPROTO_FRAGMENT, 9, 0),
		BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 40),
		ESP_OR_DROP(IPPROTO_ICMPV6, 2 << 8, in),
		TAKE,
	};
	enum { LEN = sizeof(esp) / sizeof(esp[0]) };
	const struct sock_filter head[] = {
		LOAD_KEPT(CELL_TAGS),
		JUMP_EQ(row_tags(r), 0, 2 + LEN),
		LOAD_KEPT(CELL_FOR),
		JUMP_EQ(PACKET_OTHERHOST, LEN, 0),
	};

	_Static_assert(sizeof(head) + sizeof(esp) <= ESP_ROW * sizeof(*f), "it fits");
	memcpy(f, head, sizeof(head));
	memcpy(f + sizeof(head) / sizeof(head[0]), esp, sizeof(esp));
	return sizeof(head) / sizeof(head[0]) + LEN;
}

int iface_packet_filter(int fd, const struct iface_row *rows, unsigned count)
{
	/* Leaves the tags and the EtherType behind them in the cells. The outermost tag is beside
	 * the frame whatever the driver did, a second one is in it. */
	static const struct sock_filter head[] = {
		LOAD(SKF_AD_PKTTYPE),
		KEEP(CELL_FOR),
		LOAD(SKF_AD_PROTOCOL),
		KEEP(CELL_TYPE),
		LOAD(SKF_AD_VLAN_TAG_PRESENT),
		JUMP_EQ(0, 25, 0), /* A is 0: no tags */
		LOAD(SKF_AD_VLAN_TAG),
		ALU(BPF_AND, 0xfff),
		KEEP(CELL_OUTER),
		LOAD_KEPT(CELL_TYPE),
		JUMP_EQ(ETH_P_8021Q, 5, 0),
		LOAD(SKF_AD_VLAN_TPID), /* one tag */
		JUMP_EQ(ETH_P_8021Q, 1, 0),
		DROP,
		LOAD_KEPT(CELL_OUTER),
		BPF_STMT(BPF_JMP | BPF_JA, 15),
		LOAD_HALF(16), /* two */
		KEEP(CELL_TYPE),
		LOAD_HALF(14),
		ALU(BPF_AND, 0xfff),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		LOAD_KEPT(CELL_OUTER),
		ALU(BPF_LSH, 12),
		BPF_STMT(BPF_ALU | BPF_OR | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		LOAD(SKF_AD_VLAN_TPID),
		JUMP_EQ(ETH_P_8021AD, 2, 0),
		BPF_STMT(BPF_LD | BPF_IMM, TAGS_TWO),
		BPF_STMT(BPF_JMP | BPF_JA, 1),
		BPF_STMT(BPF_LD | BPF_IMM, TAGS_S),
		BPF_STMT(BPF_ALU | BPF_OR | BPF_X, 0),
		KEEP(CELL_TAGS),
	};
	enum { HEAD = sizeof(head) / sizeof(head[0]), ROW = 7 };
	struct sock_filter f[HEAD + (ROW + ESP_ROW) * IFACE_ROWS_MAX + 1];
	struct sock_fprog prog = {.filter = f};
	unsigned n = HEAD;

	if (count > IFACE_ROWS_MAX)
		return -E2BIG;
	memcpy(f, head, sizeof(head));
	for (unsigned i = 0; i < count; i++) {
		const struct sock_filter all[] = {
			LOAD_KEPT(CELL_FOR),
			JUMP_EQ(rows[i].for_others ? UINT32_MAX : PACKET_OTHERHOST, 1, 0),
			TAKE,
		};
		const struct sock_filter row[ROW] = {
			LOAD_KEPT(CELL_TAGS),
			JUMP_EQ(row_tags(&rows[i]), 0, 5),
			LOAD_KEPT(CELL_TYPE),
			JUMP_EQ(rows[i].type, rows[i].other_types ? 3 : 0,
				rows[i].other_types ? 0 : 3),
			LOAD_KEPT(CELL_FOR),
			JUMP_EQ(rows[i].for_others ? UINT32_MAX : PACKET_OTHERHOST, 1, 0),
			TAKE,
		};

		if (rows[i].all) {
			memcpy(f + n, all, sizeof(all));
			n += sizeof(all) / sizeof(all[0]);
			continue;
		}
		memcpy(f + n, row, sizeof(row));
		n += ROW;
		if (rows[i].esp)
			n += esp_row(f + n, &rows[i]);
	}
	f[n++] = (struct sock_filter)DROP;
	prog.len = (unsigned short)n;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

int iface_packet_mark(int fd, uint32_t mark)
{
	return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ? -errno : 0;
}

int iface_packet_superframes(int fd)
{
	const int on = 1;

	return setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0 ? -errno : 0;
}

int iface_packet_promisc(int fd, unsigned ifindex)
{
	struct packet_mreq all = {.mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_PROMISC};

	return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0 ? -errno
											: 0;
}

int iface_packet_join(int fd, unsigned ifindex, const uint8_t *address)
{
	struct packet_mreq join = {.mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_ALLMULTI};

	if (address) {
		join.mr_type = address[0] & 1 ? PACKET_MR_MULTICAST : PACKET_MR_UNICAST;
		join.mr_alen = 6;
		memcpy(join.mr_address, address, 6);
	}
	return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &join, sizeof(join)) < 0 ? -errno
											  : 0;
}

static int packet_setup(int fd, unsigned ifindex, const struct iface_row *rows, unsigned count)
{
	const int on = 1, size = SOCKET_BUFFER;
	struct sockaddr_ll sa = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)ifindex};
	int err = iface_packet_filter(fd, rows, count);

	if (err)
		return err;
	if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0)
		return -errno;
	/* Without the room it works too, with losses under load. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
}

int iface_packet_open(unsigned ifindex, const struct iface_row *rows, unsigned count)
{
	/* Protocol 0: nothing is received before the filter stands and bind() names one. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0)
		return -errno;
	err = packet_setup(fd, ifindex, rows, count);
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

static int udp_setup(int fd, const char *ifname, uint8_t family, uint16_t port, bool nat)
{
	/* Loads at 0 are the UDP header; a load beyond the end drops the datagram. */
	struct sock_filter marker[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 8),
		JUMP_EQ(0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0x40000),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = {.len = sizeof(marker) / sizeof(marker[0]), .filter = marker};
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ifname, (socklen_t)strlen(ifname)) < 0)
		return -errno;
	if (nat && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return -errno;
	if (family == 4)
		return setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0 ||
				       bind(fd, (struct sockaddr *)&in4, sizeof(in4)) < 0
			       ? -errno
			       : 0;
	return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0 ||
			       setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) <
				       0 ||
			       bind(fd, (struct sockaddr *)&in6, sizeof(in6)) < 0
		       ? -errno
		       : 0;
}

int iface_udp_open(const char *ifname, uint8_t family, uint16_t port, bool nat)
{
	int fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			IPPROTO_UDP);
	int err;

	if (fd < 0)
		return -errno;
	err = udp_setup(fd, ifname, family, port, nat);
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int sysctl_put(const char *family, const char *ifname, const char *name, const char *value)
{
	char path[128];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, ifname, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, value, 1) != 1)
		err = -errno;
	close(fd);
	return err;
}

static int sysctl_set(const char *family, const char *ifname, const char *name)
{
	return sysctl_put(family, ifname, name, "1");
}

int iface_ipv6(const char *ifname)
{
	return sysctl_put("ipv6", ifname, "disable_ipv6", "0");
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

unsigned iface_rx_queues(const char *ifname)
{
	struct ethtool_channels c = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq r = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;
	unsigned n;

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", ifname);
	r.ifr_data = (void *)&c;
	rc = fd < 0 ? -1 : ioctl(fd, SIOCETHTOOL, &r);
	if (fd >= 0)
		close(fd);
	n = rc < 0 ? 0 : c.combined_count + c.rx_count;
	return n ? n : 1;
}
