/*
 * eapol: MKPDUs on a wan port's EAPOL socket (AF_PACKET, bound by the parent).
 *
 * The kernel takes an 802.1Q tag out of what it receives and tells it aside; it is put back here,
 * so that a frame reads as it was on the wire. Sending is the kernel's own path through the tc
 * guard. This socket is the only way an MKPDU leaves the node.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define EAPOL_FRAME_MAX 2048 /* bytes */

/* Length of the next frame, 0 when there is none, or -errno. Frames sent by this host, and ones
 * longer than the buffer, are passed over. */
ssize_t eapol_recv(int fd, uint8_t buf[EAPOL_FRAME_MAX]);
/* 0 or -errno. Never blocks. */
int eapol_send(int fd, const uint8_t *frame, size_t len);
