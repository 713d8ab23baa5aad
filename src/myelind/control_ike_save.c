/*
 * The records of IKE SAs: one for each slot of the engine, behind those of the ports' leases. A
 * record bears the tunnel's name, since its number may be another's after a reload.
 */
#include "myelind/control.h"

#include "base/log.h"
#include "base/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_VERSION 1

static size_t records_at(void)
{
	return control_numbers_end() + PLAN_PORTS_MAX * record_area(PATH_DHCP_SAVE);
}

size_t ike_records_end(void)
{
	return records_at() + IKE_SLOTS * record_area(IKE_RECORD_MAX);
}

static void *slot_area(const struct control *c, unsigned slot)
{
	if (slot >= IKE_SLOTS || ike_records_end() > c->state_size)
		return NULL;
	return (uint8_t *)c->state + records_at() + slot * record_area(IKE_RECORD_MAX);
}

static void name_of(const struct control_tunnel *t, char name[PLAN_NAME_MAX])
{
	snprintf(name, PLAN_NAME_MAX, "%s %s", t->plan->o->name, tunnel_peer(t));
}

/* The engine's part begins with a version and the tunnel's number (ikev2_save_next()). */
static const struct control_tunnel *tunnel_in(struct control *c, struct rd engine)
{
	(void)rd_u8(&engine);
	return ike_tunnel(c, rd_u16(&engine));
}

static void slot_put(struct control *c, unsigned slot, const uint8_t *engine, size_t len)
{
	static uint8_t buf[IKE_RECORD_MAX];
	struct wr w = wr_init(buf, sizeof(buf));
	const struct control_tunnel *t = tunnel_in(c, rd_init(engine, len));
	void *area = slot_area(c, slot);
	char name[PLAN_NAME_MAX] = "";
	int rc = -ENOSPC;

	if (t)
		name_of(t, name);
	wr_u16(&w, RECORD_VERSION);
	wr_bytes(&w, name, sizeof(name));
	wr_bytes(&w, engine, len);
	if (area)
		rc = w.bad ? -EMSGSIZE
			   : record_put(area, record_area(IKE_RECORD_MAX), buf, wr_len(&w));
	if (rc < 0) {
		log_error("an IKE SA could not be saved: %s", strerror(-rc));
		if (area)
			record_clear(area, record_area(IKE_RECORD_MAX));
	}
	secret_wipe(buf, wr_len(&w));
}

void ike_save(struct control *c)
{
	static uint8_t buf[IKEV2_SAVE_MAX];
	struct wr w = wr_init(buf, sizeof(buf));
	unsigned slot = 0;

	while (ikev2_save_next(c->ike->engine, &slot, &w)) {
		if (w.bad)
			log_error("an IKE SA could not be saved: it is too large");
		if (wr_len(&w) && !w.bad)
			slot_put(c, slot, buf, wr_len(&w));
		else if (slot_area(c, slot))
			record_clear(slot_area(c, slot), record_area(IKE_RECORD_MAX));
		secret_wipe(buf, wr_len(&w));
		w = wr_init(buf, sizeof(buf));
	}
}

/* The record's length in buf, or -errno. */
static ssize_t slot_get(const struct control *c, unsigned slot, uint8_t *buf)
{
	const void *area = slot_area(c, slot);

	return area ? record_get(area, record_area(IKE_RECORD_MAX), buf, IKE_RECORD_MAX) : -ENOSPC;
}

static int slot_load(struct control *c, unsigned slot, const uint8_t *buf, size_t len, uint64_t now)
{
	struct rd r = rd_init(buf, len);
	uint16_t version = rd_u16(&r);
	const uint8_t *saved = rd_bytes(&r, PLAN_NAME_MAX);
	const struct control_tunnel *t;
	char name[PLAN_NAME_MAX] = "";

	if (!saved || version != RECORD_VERSION)
		return -EBADMSG;
	t = tunnel_in(c, r);
	if (!t)
		return -ENOENT;
	name_of(t, name);
	if (memcmp(saved, name, sizeof(name)) != 0)
		return -ENOENT;
	return ikev2_load(c->ike->engine, slot, &r, now);
}

bool ike_saved(const struct control *c)
{
	uint8_t *buf = malloc(IKE_RECORD_MAX);
	bool any = false;

	for (unsigned i = 0; buf && i < IKE_SLOTS && !any; i++) {
		ssize_t n = slot_get(c, i, buf);

		any = n != -ENOENT && n != -ENOSPC;
		if (n > 0)
			secret_wipe(buf, (size_t)n);
	}
	free(buf);
	return any;
}

unsigned ike_load(struct control *c, uint64_t now)
{
	uint8_t *buf = malloc(IKE_RECORD_MAX);
	unsigned taken = 0;

	for (unsigned i = 0; buf && i < IKE_SLOTS; i++) {
		ssize_t n = slot_get(c, i, buf);
		int rc = n > 0 ? slot_load(c, i, buf, (size_t)n, now) : (int)n;

		if (n > 0)
			secret_wipe(buf, (size_t)n);
		if (n == -ENOENT || n == -ENOSPC || n == 0)
			continue;
		taken += rc == 0;
		if (rc == 0)
			continue;
		if (rc != -ENOENT)
			log_warn("the record of an IKE SA is damaged: its traffic goes on until "
				 "another one takes its place");
		record_clear(slot_area(c, i), record_area(IKE_RECORD_MAX));
	}
	free(buf);
	return taken;
}
