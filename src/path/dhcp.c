/* dhcp: one function through which the state changes, one that says what is sent in it. */
#include "path/dhcp.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_FIRST_NS (4 * NS_PER_S) /* RFC 2131 4.1: 4, 8, … 64 s, each a second more or less */
#define RETRY_LAST_NS (64 * NS_PER_S)
#define REBOOT_TRIES 2
#define REQUEST_TRIES 4
#define RETRY_BOUND_NS (60 * NS_PER_S) /* 4.4.5: at least this between renewals */
#define LEASE_MIN_S 10
#define NEVER UINT64_MAX

enum state { INIT, SELECTING, REQUESTING, REBOOTING, BOUND, RENEWING, REBINDING };

static const char *const names[] = {"INIT",  "SELECTING", "REQUESTING", "REBOOTING",
				    "BOUND", "RENEWING",  "REBINDING"};

struct path_dhcp {
	struct path_dhcp_config cfg;
	enum state state;
	uint32_t xid;
	uint64_t began, due; /* when the exchange began; when the timer is due */
	unsigned tries;
	bool pending; /* a message of this state is to be sent */
	bool leased;
	struct path_dhcp_lease lease;
	uint32_t offered, server;
	uint8_t server_mac[6];
	uint64_t renew_at, rebind_at;
};

/* Waits before the next try, doubling. */
static uint64_t backoff(const struct path_dhcp *d)
{
	uint64_t ns = RETRY_FIRST_NS << (d->tries < 4 ? d->tries : 4);
	uint64_t jitter = d->cfg.random(d->cfg.ctx) % (2 * NS_PER_S);

	return (ns < RETRY_LAST_NS ? ns : RETRY_LAST_NS) - NS_PER_S + jitter;
}

/* Half of what is left, and not in a hurry (RFC 2131 4.4.5). */
static uint64_t half_until(uint64_t now, uint64_t until)
{
	uint64_t half = until > now ? (until - now) / 2 : 0;

	return now + half + RETRY_BOUND_NS < until ? now + half : until;
}

/* The one door. */
static void enter(struct path_dhcp *d, enum state s, uint64_t now)
{
	bool new_exchange = s != REQUESTING;

	d->state = s;
	d->tries = 0;
	d->pending = s != BOUND && s != INIT;
	if (new_exchange && s != BOUND) {
		d->xid = d->cfg.random(d->cfg.ctx);
		d->began = now;
	}
	switch (s) {
	case INIT:
		d->leased = false;
		d->due = now;
		break;
	case BOUND:
		d->due = d->renew_at;
		break;
	case RENEWING:
		d->due = half_until(now, d->rebind_at);
		break;
	case REBINDING:
		d->due = half_until(now, d->lease.until);
		break;
	default:
		d->due = now + backoff(d);
	}
}

struct path_dhcp *path_dhcp_new(const struct path_dhcp_config *cfg, uint64_t now)
{
	struct path_dhcp *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->cfg = *cfg;
	enter(d, INIT, now);
	return d;
}

void path_dhcp_free(struct path_dhcp *d)
{
	free(d);
}

const char *path_dhcp_state(const struct path_dhcp *d)
{
	return names[d->state];
}

const struct path_dhcp_lease *path_dhcp_lease(const struct path_dhcp *d)
{
	return d->leased ? &d->lease : NULL;
}

uint64_t path_dhcp_deadline(const struct path_dhcp *d)
{
	return d->due;
}

/* Bits of a mask, or -1 when it is none. */
static int mask_bits(uint32_t mask)
{
	int bits = mask ? 32 - __builtin_ctz(mask) : 0;

	return mask == (bits ? ~0u << (32 - bits) : 0) ? bits : -1;
}

/* An address that can be an interface's, in a network that it can be in. */
static bool usable(const struct dhcp_msg *m)
{
	uint32_t a = m->yiaddr, host = a & ~m->mask;
	int bits = mask_bits(m->mask);

	if (!a || a >> 24 == 127 || a >> 28 >= 14 || bits < 8 || m->lease_s < LEASE_MIN_S)
		return false;
	return bits >= 31 || (host && host != ~m->mask);
}

static void bind(struct path_dhcp *d, const struct dhcp_msg *m, const uint8_t *from, uint64_t now)
{
	uint64_t lease = (uint64_t)m->lease_s * NS_PER_S;
	uint64_t renew = (uint64_t)m->renew_s * NS_PER_S, rebind = (uint64_t)m->rebind_s * NS_PER_S;

	/* 4.4.5: T1 half, T2 seven eighths, unless the server says otherwise and it makes sense. */
	if (!rebind || rebind >= lease)
		rebind = lease / 8 * 7;
	if (!renew || renew >= rebind)
		renew = lease / 2 < rebind ? lease / 2 : rebind;
	d->leased = true;
	d->lease = (struct path_dhcp_lease){.addr = m->yiaddr,
					    .router = m->router,
					    .prefix = (uint8_t)mask_bits(m->mask),
					    .until = d->began + lease};
	d->renew_at = d->began + renew;
	d->rebind_at = d->began + rebind;
	d->server = m->server;
	memcpy(d->server_mac, from, sizeof(d->server_mac));
	enter(d, BOUND, now);
}

bool path_dhcp_input(struct path_dhcp *d, const void *frame, size_t len, uint64_t now)
{
	const uint8_t *from;
	struct dhcp_msg m;

	if (d->state == INIT || d->state == BOUND || dhcp_parse(&m, &from, frame, len) < 0 ||
	    m.xid != d->xid || memcmp(m.chaddr, d->cfg.mac, sizeof(m.chaddr)) != 0 || !m.server)
		return false;
	if (d->state == SELECTING) {
		if (m.type != DHCP_OFFER || !usable(&m))
			return false;
		d->offered = m.yiaddr;
		d->server = m.server;
		enter(d, REQUESTING, now);
		return true;
	}
	if (d->state == REQUESTING && m.server != d->server)
		return false;
	if (m.type == DHCP_NAK) {
		enter(d, INIT, now);
		return true;
	}
	if (m.type != DHCP_ACK || !usable(&m))
		return false;
	bind(d, &m, from, now);
	return true;
}

/* Nobody answered. */
static void again(struct path_dhcp *d, uint64_t now)
{
	d->tries++;
	if ((d->state == REQUESTING && d->tries >= REQUEST_TRIES) ||
	    (d->state == REBOOTING && d->tries >= REBOOT_TRIES && !d->leased)) {
		enter(d, INIT, now);
		return;
	}
	/* A lease found again may be used to its end, whoever does not answer (3.2). */
	if (d->state == REBOOTING && d->tries >= REBOOT_TRIES) {
		enter(d, REBINDING, now);
		return;
	}
	d->pending = true;
	d->due = now + backoff(d);
}

void path_dhcp_expire(struct path_dhcp *d, uint64_t now)
{
	if (now < d->due)
		return;
	if (d->leased && now >= d->lease.until) {
		enter(d, INIT, now);
		d->due = now;
	}
	switch (d->state) {
	case INIT:
		enter(d, SELECTING, now);
		break;
	case BOUND:
		enter(d, RENEWING, now);
		break;
	case RENEWING:
		if (now >= d->rebind_at) {
			enter(d, REBINDING, now);
			break;
		}
		d->pending = true;
		d->due = half_until(now, d->rebind_at);
		break;
	case REBINDING:
		d->pending = true;
		d->due = half_until(now, d->lease.until);
		break;
	default:
		again(d, now);
	}
}

size_t path_dhcp_output(struct path_dhcp *d, uint8_t buf[DHCP_FRAME_MAX])
{
	struct dhcp_msg m = {.type = d->state == SELECTING ? DHCP_DISCOVER : DHCP_REQUEST,
			     .xid = d->xid,
			     .host_name = d->cfg.host_name};
	struct wr w = wr_init(buf, DHCP_FRAME_MAX);

	if (!d->pending)
		return 0;
	d->pending = false;
	memcpy(m.chaddr, d->cfg.mac, sizeof(m.chaddr));
	/* RFC 2131 table 5: which of the three names an address in which state. */
	if (d->state == REQUESTING) {
		m.requested = d->offered;
		m.server = d->server;
	} else if (d->state == REBOOTING) {
		m.requested = d->lease.addr;
	} else if (d->state != SELECTING) {
		m.ciaddr = d->lease.addr;
		m.server = d->state == RENEWING ? d->server : 0;
	}
	dhcp_build(&m, d->state == RENEWING ? d->server_mac : NULL, &w);
	return wr_len(&w);
}

void path_dhcp_save(const struct path_dhcp *d, struct wr *w)
{
	wr_u8(w, d->leased);
	wr_u32(w, d->lease.addr);
	wr_u32(w, d->lease.router);
	wr_u8(w, d->lease.prefix);
	wr_u64(w, d->lease.until);
	wr_u64(w, d->renew_at);
	wr_u64(w, d->rebind_at);
	wr_u32(w, d->server);
	wr_bytes(w, d->server_mac, sizeof(d->server_mac));
}

bool path_dhcp_load(struct path_dhcp *d, struct rd *r, uint64_t now)
{
	struct path_dhcp_lease l;
	uint64_t renew, rebind;
	bool leased = rd_u8(r);
	uint32_t server;
	uint8_t mac[6];

	l.addr = rd_u32(r);
	l.router = rd_u32(r);
	l.prefix = rd_u8(r);
	l.until = rd_u64(r);
	renew = rd_u64(r);
	rebind = rd_u64(r);
	server = rd_u32(r);
	rd_copy(r, mac, sizeof(mac));
	if (!rd_done(r) || !leased || l.until <= now || l.prefix > 32)
		return false;
	d->lease = l;
	d->renew_at = renew;
	d->rebind_at = rebind;
	d->server = server;
	memcpy(d->server_mac, mac, sizeof(mac));
	d->leased = true;
	enter(d, REBOOTING, now);
	return true;
}
