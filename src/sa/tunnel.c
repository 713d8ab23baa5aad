/* Tunnels: added, changed, deleted, and taken over from a predecessor. */
#include "base/log.h"
#include "sa/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct tunnel_config) <= TUNNEL_RECORD / 2 - RECORD_HEAD,
	       "a tunnel fits its record");

static struct tunnel **bucket_of(struct sa_table *t, uint16_t tunnel)
{
	return &t->numbers[tunnel % NUMBER_BUCKETS];
}

struct tunnel *tunnel_find(const struct sa_table *t, uint16_t tunnel)
{
	struct tunnel *n = *bucket_of((struct sa_table *)t, tunnel);

	while (n && n->config.tunnel != tunnel)
		n = n->next_in_bucket;
	return n;
}

struct tunnel *tunnel_next(const struct sa_table *t, const struct tunnel *n)
{
	for (unsigned i = n ? n->slot + 1u : 0; i < t->tunnel_top; i++)
		if (t->tunnels[i])
			return t->tunnels[i];
	return NULL;
}

static struct tunnel *attach(struct sa_table *t, const struct tunnel_config *c, unsigned slot)
{
	struct tunnel *n = calloc(1, sizeof(*n)), **bucket = bucket_of(t, c->tunnel);

	if (!n)
		return NULL;
	n->config = *c;
	n->slot = (uint16_t)slot;
	t->tunnels[slot] = n;
	n->next_in_bucket = *bucket;
	*bucket = n;
	if (slot >= t->tunnel_top)
		t->tunnel_top = slot + 1;
	return n;
}

static bool config_valid(const struct tunnel_config *c)
{
	return c->tunnel && c->overlay && c->wan && c->mtu >= IP4_MTU_MIN &&
	       c->df < TUNNEL_DF_COUNT && (c->dscp < 64 || c->dscp == TUNNEL_DSCP_COPY) &&
	       !(c->peer[0] & 1);
}

int tunnel_add(struct sa_table *t, const struct tunnel_config *c)
{
	struct tunnel *n = tunnel_find(t, c->tunnel);
	unsigned slot = 0;

	if (!config_valid(c))
		return -EINVAL;
	if (!n) {
		while (slot < TUNNEL_MAX && t->tunnels[slot])
			slot++;
		if (slot == TUNNEL_MAX)
			return -ENOSPC;
		n = attach(t, c, slot);
		if (!n)
			return -ENOMEM;
	}
	n->config = *c;
	return record_put(t->area->tunnels[n->slot].record, TUNNEL_RECORD, c, sizeof(*c));
}

void tunnel_del(struct sa_table *t, struct tunnel *n)
{
	struct tunnel **p = bucket_of(t, n->config.tunnel);

	while (*p != n)
		p = &(*p)->next_in_bucket;
	*p = n->next_in_bucket;
	while (n->rx)
		esp_retire(t, n->rx);
	while (n->tx)
		esp_retire(t, n->tx);
	record_clear(t->area->tunnels[n->slot].record, TUNNEL_RECORD);
	t->tunnels[n->slot] = NULL;
	free(n);
}

void tunnel_adopt_all(struct sa_table *t)
{
	for (unsigned i = 0; i < TUNNEL_MAX; i++) {
		void *record = t->area->tunnels[i].record;
		struct tunnel_config c;
		ssize_t n = record_get(record, TUNNEL_RECORD, &c, sizeof(c));

		if (n == -ENOENT)
			continue;
		c.name[sizeof(c.name) - 1] = 0;
		if (n == sizeof(c) && config_valid(&c) && !tunnel_find(t, c.tunnel) &&
		    attach(t, &c, i))
			continue;
		log_error("state area: tunnel record %u is damaged, its SAs are not used", i);
		record_clear(record, TUNNEL_RECORD);
	}
	esp_adopt_all(t);
}
