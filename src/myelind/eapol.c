#include "myelind/eapol.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

#define TAG_AT 12 /* behind the two addresses */
#define TAG_LEN 4

/* Puts back what the kernel took out. Returns the frame's new length. */
static size_t tag_restore(struct msghdr *mh, uint8_t *buf, size_t len)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		struct tpacket_auxdata a;
		uint16_t tpid = 0x8100;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
		    c->cmsg_len < CMSG_LEN(sizeof(a)))
			continue;
		memcpy(&a, CMSG_DATA(c), sizeof(a));
		if (!(a.tp_status & TP_STATUS_VLAN_VALID))
			return len;
		if (a.tp_status & TP_STATUS_VLAN_TPID_VALID)
			tpid = a.tp_vlan_tpid;
		memmove(buf + TAG_AT + TAG_LEN, buf + TAG_AT, len - TAG_AT);
		buf[TAG_AT] = (uint8_t)(tpid >> 8);
		buf[TAG_AT + 1] = (uint8_t)tpid;
		buf[TAG_AT + 2] = (uint8_t)(a.tp_vlan_tci >> 8);
		buf[TAG_AT + 3] = (uint8_t)a.tp_vlan_tci;
		return len + TAG_LEN;
	}
	return len;
}

ssize_t eapol_recv(int fd, uint8_t buf[EAPOL_FRAME_MAX])
{
	/* A flood of frames not for us must not keep the caller here. */
	for (unsigned tries = 0; tries < 8; tries++) {
		uint8_t control[CMSG_SPACE(sizeof(struct tpacket_auxdata)) + 64];
		struct sockaddr_ll from;
		struct iovec iov = {.iov_base = buf, .iov_len = EAPOL_FRAME_MAX - TAG_LEN};
		struct msghdr mh = {.msg_name = &from,
				    .msg_namelen = sizeof(from),
				    .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control,
				    .msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(fd, &mh, MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (n < 14 || (mh.msg_flags & MSG_TRUNC))
			continue;
		if (mh.msg_namelen >= sizeof(from) && from.sll_pkttype == PACKET_OUTGOING)
			continue;
		return (ssize_t)tag_restore(&mh, buf, (size_t)n);
	}
	return 0;
}

int eapol_send(int fd, const uint8_t *frame, size_t len)
{
	ssize_t n = send(fd, frame, len, MSG_DONTWAIT);

	return n < 0 ? -errno : 0;
}
