/*
 * backbone_way: between which addresses the tunnel of two members of an overlay of design ipsec
 * runs, as far as the file tells, and how large a packet it carries.
 */
#include "config/model.h"
#include "wire/esp.h"
#include "wire/ip.h"

#include <endian.h>
#include <string.h>

#define OFFERS_MAX 16 /* addresses of one port that are looked at */

/* An address that a member can have its end of a tunnel at. */
struct offer {
	uint8_t family;
	bool fixed;  /* the file has it */
	bool called; /* and others can call it there */
	struct bb_prefix addr;
};

static const struct bb_port *port_on(const struct bb_member *m, const struct bb_service *s)
{
	for (size_t i = 0; m->node && i < m->node->port_count; i++)
		if (m->node->ports[i].service == s)
			return &m->node->ports[i];
	return NULL;
}

static bool is_on(const struct bb_member *m, const struct bb_service *s)
{
	return m->node ? port_on(m, s) != NULL : m->peer->service == s;
}

static size_t offers(const struct bb_member *m, const struct bb_port *port,
		     struct offer v[OFFERS_MAX])
{
	const struct bb_prefix *a = port ? port->addresses : m->peer->addresses;
	size_t count = port ? port->address_count : m->peer->address_count, n = 0;

	for (size_t i = 0; i < count && n < OFFERS_MAX - 2; i++) {
		v[n] = (struct offer){.family = a[i].family,
				      .fixed = true,
				      .called = !port || !port->behind_nat,
				      .addr = a[i]};
		v[n++].addr.len = a[i].family == 6 ? 128 : 32;
	}
	if (port ? port->dhcp : !count)
		v[n++] = (struct offer){.family = 4};
	if (!port && !count)
		v[n++] = (struct offer){.family = 6};
	return n;
}

static const struct bb_service *meeting(const struct bb_overlay *o, const struct bb_member *a,
					const struct bb_member *b)
{
	for (size_t i = 0; i < o->over_count; i++)
		if (is_on(a, o->over[i]) && is_on(b, o->over[i]))
			return o->over[i];
	return NULL;
}

enum bb_way backbone_way(const struct bb_overlay *o, const struct bb_member *self,
			 const struct bb_member *far, struct bb_ends *e)
{
	struct offer own[OFFERS_MAX], other[OFFERS_MAX], *a = own, *b = other;
	size_t own_count, other_count, na, nb;
	enum bb_way way = BB_WAY_NO_FAMILY;

	*e = (struct bb_ends){0};
	if (o->hubs && !self->hub && !far->hub)
		return BB_WAY_NONE;
	e->service = meeting(o, self, far);
	if (!e->service)
		return BB_WAY_NO_SERVICE;
	e->port = port_on(self, e->service);
	na = own_count = offers(self, e->port, own);
	nb = other_count = offers(far, port_on(far, e->service), other);
	if (!own_count)
		return BB_WAY_NO_ADDRESS;
	if (far < self) {
		a = other;
		b = own;
		na = other_count;
		nb = own_count;
	}
	for (size_t i = 0; i < na; i++)
		for (size_t k = 0; k < nb; k++) {
			const struct offer *x = a == own ? &a[i] : &b[k];
			const struct offer *y = a == own ? &b[k] : &a[i];

			if (x->family != y->family)
				continue;
			if (!x->called && !y->called) {
				way = BB_WAY_UNKNOWN;
				continue;
			}
			e->family = x->family;
			e->local = x->addr;
			if (y->called)
				e->remote = y->addr;
			return BB_WAY;
		}
	return way;
}

uint16_t backbone_tunnel_mtu(const struct bb_overlay *o, uint16_t mtu, uint8_t family)
{
	const struct esp_suite_info *s =
		&esp_suites[o->ipsec.compatible ? ESP_AES_CBC_256_SHA2_512_256
						: ESP_AES_GCM_16_256];
	size_t head = (family == 6 ? IP6_HEAD_LEN : IP4_HEAD_LEN) + UDP_HEAD_LEN;

	return mtu > head ? (uint16_t)esp_payload_max(s, mtu - head) : 0;
}

uint16_t backbone_tunnels_mtu(const struct bb_overlay *o)
{
	uint16_t least = UINT16_MAX;
	struct bb_ends e;

	for (size_t i = 0; i < o->member_count; i++)
		for (size_t k = i + 1; k < o->member_count; k++) {
			uint16_t mtu;

			if ((o->members[i].peer && o->members[k].peer) ||
			    backbone_way(o, &o->members[i], &o->members[k], &e) != BB_WAY)
				continue;
			mtu = backbone_tunnel_mtu(o, e.service->mtu, e.family);
			least = mtu < least ? mtu : least;
		}
	if (least == UINT16_MAX)
		return o->over_count ? backbone_tunnel_mtu(o, o->over[0]->mtu, 4) : 0;
	return least;
}

const struct bb_member *backbone_next(const struct bb_overlay *o, const struct bb_member *self,
				      const struct bb_member *far)
{
	const struct bb_member *best = NULL;
	struct bb_ends e;
	enum bb_way way = backbone_way(o, self, far, &e);

	if (way == BB_WAY)
		return far;
	if (way != BB_WAY_NONE && way != BB_WAY_NO_SERVICE)
		return NULL;
	for (size_t i = 0; i < o->member_count; i++) {
		const struct bb_member *m = &o->members[i];

		if (m == self || m == far || (o->hubs && !m->hub) ||
		    (best && best->hub <= m->hub) || !m->node)
			continue;
		if (backbone_way(o, self, m, &e) == BB_WAY && backbone_way(o, m, far, &e) == BB_WAY)
			best = m;
	}
	return best;
}

const char *backbone_member_name(const struct bb_member *m)
{
	return m->node ? m->node->name : m->peer->name;
}

const struct bb_member *backbone_member(const struct bb_overlay *o, const struct bb_member *m)
{
	for (size_t i = 0; i < o->member_count; i++)
		if (o->members[i].node == m->node && o->members[i].peer == m->peer)
			return &o->members[i];
	return NULL;
}

/* FNV-1a: a number of 32 bits that stays with the name. */
static uint32_t name_number(const char *name)
{
	uint32_t n = 2166136261u;

	for (; *name; name++)
		n = (n ^ (uint8_t)*name) * 16777619u;
	return n;
}

void backbone_mac(const struct bb_member *m, uint8_t mac[6])
{
	uint32_t number = htobe32(m->node ? m->node->id : name_number(m->peer->name));

	mac[0] = 0x02; /* locally administered */
	mac[1] = m->has_address ? m->address.family : m->node ? 0 : 1;
	memcpy(mac + 2, &number, 4);
	if (m->has_address)
		memcpy(mac + 2, m->address.addr + (m->address.family == 4 ? 0 : 12), 4);
}
