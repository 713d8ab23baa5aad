/* NAT detection (RFC 7296 §2.23): hashes of SPIs, address and port as each end sees them. */
#include "key/ikev2/ikev2_i.h"

#include <string.h>

static bool hash(uint64_t spi_i, uint64_t spi_r, const struct esp_end *end,
		 uint8_t out[DIGEST_SHA1_LEN])
{
	uint8_t b[16 + 16 + 2];
	struct wr w = wr_init(b, sizeof(b));
	struct prf_piece v = {b, 0};

	wr_u64(&w, spi_i);
	wr_u64(&w, spi_r);
	wr_bytes(&w, end->addr, end->family == 6 ? 16 : 4);
	wr_u16(&w, end->port);
	v.len = wr_len(&w);
	return digest_sha1(&v, 1, out) == 0;
}

void natd_put(struct ike_sa *sa, struct out *o, bool force)
{
	uint8_t h[DIGEST_SHA1_LEN];

	if (!hash(sa->spi_i, sa->spi_r, &sa->local, h))
		return;
	if (force) /* what no address gives: the peer sees a NAT */
		sa->e->env.random(sa->e->env.ctx, h, sizeof(h));
	ike_put_notify(&o->o, IKE_N_NAT_SOURCE, h, sizeof(h));
	if (hash(sa->spi_i, sa->spi_r, &sa->remote, h))
		ike_put_notify(&o->o, IKE_N_NAT_DESTINATION, h, sizeof(h));
}

/* Whether one of the notifies of that type (there may be several sources) has that hash; *any:
 * whether there is one at all. */
static bool told(const struct ike_chain *c, uint16_t type, const uint8_t h[DIGEST_SHA1_LEN],
		 bool *any)
{
	bool found = false;

	*any = false;
	for (unsigned i = 0; i < c->count; i++) {
		const struct ike_notify *n = &c->v[i].notify;

		if (c->v[i].type != IKE_PL_NOTIFY || n->type != type)
			continue;
		*any = true;
		found |= n->data.len == DIGEST_SHA1_LEN && !memcmp(n->data.p, h, DIGEST_SHA1_LEN);
	}
	return found;
}

void natd_check(struct ike_sa *sa, const struct in *in)
{
	uint8_t theirs[DIGEST_SHA1_LEN], ours[DIGEST_SHA1_LEN];
	bool source, destination;

	if (!hash(in->h->spi_i, in->h->spi_r, in->remote, theirs) ||
	    !hash(in->h->spi_i, in->h->spi_r, in->local, ours))
		return;
	sa->nat_remote = !told(in->c, IKE_N_NAT_SOURCE, theirs, &source);
	sa->nat_local = !told(in->c, IKE_N_NAT_DESTINATION, ours, &destination);
	if (!source || !destination) /* it does not do NAT traversal */
		sa->nat_remote = sa->nat_local = false;
	else
		sa->encap = sa->nat_remote || sa->nat_local || (sa->peer && sa->peer->cfg.encap);
}
