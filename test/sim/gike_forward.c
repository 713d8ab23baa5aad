/* What a member's forward has, and what must hold of it. */
#include "gike_world.h"

#include <inttypes.h>

unsigned who_of(const struct node *n)
{
	return (unsigned)(n - gw.v);
}

int spi_index(uint32_t spi)
{
	for (unsigned i = gw.spi_count; i-- > 0;)
		if (gw.spis[i].spi == spi)
			return (int)i;
	return -1;
}

bool receives(const struct node *n, uint32_t spi)
{
	for (unsigned i = 0; i < n->receive_count; i++)
		if (n->receive[i] == spi)
			return true;
	return false;
}

static int add_receive(void *ctx, const struct sink_group *sa)
{
	struct node *n = ctx;
	int i = spi_index(sa->spi);

	if (i < 0) {
		violation("member %u has SPI %08x that nobody made", who_of(n), sa->spi);
		return 0;
	}
	if (gw.spis[i].has_key && !secret_equal(gw.spis[i].key.b, sa->key.b, sa->key.len))
		violation("SPI %08x has two keys", sa->spi);
	gw.spis[i].key = sa->key;
	gw.spis[i].has_key = true;
	if (n->banned && gw.spis[i].made_at > n->banned_at)
		violation("member %u is excluded and has a key made %" PRIu64 " s after that",
			  who_of(n), (uint64_t)((gw.spis[i].made_at - n->banned_at) / SECOND));
	if (!n->by_rekey && sa->hard_at > gw.spis[i].made_at + (2 * TEK_PERIOD + 30) * SECOND)
		violation("member %u keeps SPI %08x beyond its time", who_of(n), sa->spi);
	for (unsigned j = 0; n->by_rekey && !receives(n, sa->spi) && j < n->gone_count; j++)
		if (n->gone[j] == sa->spi)
			violation("member %u takes SPI %08x again", who_of(n), sa->spi);
	if (!receives(n, sa->spi))
		n->receive[n->receive_count++] = sa->spi;
	return 0;
}

static int use_transmit(void *ctx, const struct sink_group *sa)
{
	struct node *n = ctx;
	unsigned i = 0;

	for (; i < gw.use_count; i++)
		if (gw.uses[i].spi == sa->spi && gw.uses[i].sender == sa->sender) {
			if (gw.uses[i].who != who_of(n) || gw.uses[i].life != n->life)
				violation("members %u and %u send by SPI %08x as sender %u",
					  gw.uses[i].who, who_of(n), sa->spi, sa->sender);
			break;
		}
	if (i == gw.use_count && i < USES_MAX) {
		gw.uses[i].spi = sa->spi;
		gw.uses[i].sender = sa->sender;
		gw.uses[i].who = who_of(n);
		gw.uses[i].life = n->life;
		gw.use_count++;
	}
	if (!sa->sender_bits || sa->sender >> sa->sender_bits)
		violation("member %u has a Sender-ID that does not fit", who_of(n));
	n->transmit = sa->spi;
	return 0;
}

static void retire(void *ctx, uint16_t group, enum sink_direction d, uint32_t spi)
{
	struct node *n = ctx;

	(void)group;
	if (d == SINK_TRANSMIT) {
		n->transmit = n->transmit == spi ? 0 : n->transmit;
		return;
	}
	for (unsigned i = 0; i < n->receive_count; i++)
		if (n->receive[i] == spi) {
			n->receive[i] = n->receive[--n->receive_count];
			if (n->gone_count < 256)
				n->gone[n->gone_count++] = spi;
			return;
		}
}

struct sink_group_ops forward_of(struct node *n)
{
	return (struct sink_group_ops){n, add_receive, use_transmit, retire};
}
