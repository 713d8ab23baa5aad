/* One overlay's static keys: receive first, then transmit under a lease. */
#include "key/psk/psk.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct psk {
	struct psk_config cfg;
	struct psk_keys keys; /* ours is taken out to `own` */
	struct psk_line own;
	struct psk_lease *lease;
	struct sink sink;
	uint64_t last; /* packet number that may still be used at the very most */
	uint64_t first, limit;
	uint64_t step; /* how many numbers the last lease took */
	char node[PSK_NAME_MAX];
};

static void sa_fill(const struct psk *p, const struct psk_line *l, struct sink_sa *sa)
{
	*sa = (struct sink_sa){
		.secy = p->cfg.secy,
		.an = l->an,
		.suite = (uint8_t)p->cfg.suite,
		.conf = (uint8_t)p->cfg.conf,
		.sci = l->sci,
		.ssci = l->ssci,
		.key = l->key,
	};
	memcpy(sa->salt, l->salt, sizeof(sa->salt));
	memcpy(sa->key_id, l->key_id, sizeof(sa->key_id));
}

static int receive_give(struct psk *p, const struct psk_line *l)
{
	struct sink_sa sa;
	int rc;

	sa_fill(p, l, &sa);
	sa.pn = 1;
	rc = p->sink.add_receive(p->sink.ctx, &sa);
	secret_wipe(&sa, sizeof(sa));
	return rc;
}

static int transmit_give(struct psk *p, uint64_t pn)
{
	struct sink_sa sa;
	int rc;

	sa_fill(p, &p->own, &sa);
	sa.pn = pn;
	sa.pn_limit = p->limit;
	rc = p->sink.use_transmit(p->sink.ctx, &sa);
	secret_wipe(&sa, sizeof(sa));
	return rc;
}

/* Takes our own line out of the keys. */
static int own_take(struct psk *p, char *why, size_t size)
{
	struct psk_keys *k = &p->keys;
	size_t n = 0;
	bool found = false;

	for (size_t i = 0; i < k->count; i++) {
		struct psk_line *l = &k->v[i];

		if (strcmp(l->name, p->node) == 0) {
			if (found)
				continue; /* a further AN of ours: not used in this version */
			found = true;
			p->own = *l;
			continue;
		}
		if (!l->has_sci) {
			snprintf(why, size,
				 "the line of %s needs `sci SCI-HEX`, or its frames cannot be "
				 "told apart",
				 l->name);
			return -EINVAL;
		}
		if (l->sci == p->cfg.sci) {
			snprintf(why, size, "the line of %s has our own sci", l->name);
			return -EINVAL;
		}
		k->v[n++] = *l;
	}
	secret_wipe(&k->v[n], (k->count - n) * sizeof(k->v[0]));
	k->count = n;
	if (!found) {
		snprintf(why, size, "no line `sa %s …`: nothing to send under", p->node);
		return -EINVAL;
	}
	if (p->own.has_sci && p->own.sci != p->cfg.sci) {
		snprintf(why, size, "the line of %s says sci %016llx, but the port's is %016llx",
			 p->node, (unsigned long long)p->own.sci, (unsigned long long)p->cfg.sci);
		return -EINVAL;
	}
	p->own.sci = p->cfg.sci;
	return 0;
}

struct psk *psk_new(const struct psk_config *cfg, struct psk_keys *keys, struct psk_lease *lease,
		    const struct sink *sink, char *why, size_t size)
{
	struct psk *p = calloc(1, sizeof(*p));
	int rc;

	if (!p) {
		psk_wipe(keys);
		snprintf(why, size, "out of memory");
		return NULL;
	}
	p->cfg = *cfg;
	p->keys = *keys;
	psk_wipe(keys);
	snprintf(p->node, sizeof(p->node), "%s", cfg->node);
	p->cfg.node = p->node;
	p->lease = lease;
	p->sink = *sink;
	/* The last number of a suite stays unused: one past it must still be a number. */
	p->last = macsec_suites[cfg->suite].xpn ? UINT64_MAX - 1 : UINT32_MAX;
	p->step = PSK_LEASE_STEP;
	rc = own_take(p, why, size);
	if (rc < 0)
		goto fail;
	rc = psk_lease_take(lease, p->own.key_id, 1, p->last, p->step, &p->first, &p->limit);
	if (rc < 0) {
		snprintf(why, size, "no packet numbers could be leased: %s",
			 rc == -ERANGE ? "the key has used them all, give it a new one"
				       : strerror(-rc));
		goto fail;
	}
	for (size_t i = 0; i < p->keys.count; i++)
		receive_give(p, &p->keys.v[i]);
	transmit_give(p, p->first);
	return p;
fail:
	psk_free(p);
	return NULL;
}

void psk_free(struct psk *p)
{
	if (!p)
		return;
	secret_wipe(p, sizeof(*p));
	free(p);
}

static int lease_extend(struct psk *p, uint64_t floor, bool lost)
{
	uint64_t first, limit;
	int rc;

	if (!lost && p->step < PSK_LEASE_STEP_MAX)
		p->step *= 2;
	rc = psk_lease_take(p->lease, p->own.key_id, floor, p->last, p->step, &first, &limit);
	if (rc < 0)
		return rc;
	p->limit = limit;
	p->first = first;
	/* An SA that lives goes on where it is, towards the new limit. */
	transmit_give(p, lost ? first : 1);
	return 0;
}

int psk_report(struct psk *p, const struct sink_report *r)
{
	if (r->direction == SINK_TRANSMIT) {
		if (memcmp(r->key_id, p->own.key_id, MACSEC_KEY_ID_LEN) != 0)
			return 0;
		if (!r->installed)
			return lease_extend(p, 1, true);
		if (r->pn > p->limit)
			return lease_extend(p, r->pn, false);
		/* Forward tells at three quarters; it is not asked to be exact. */
		if (p->limit - r->pn < p->step / 2 && p->limit < p->last)
			return lease_extend(p, 1, false);
		return 0;
	}
	if (r->installed)
		return 0;
	for (size_t i = 0; i < p->keys.count; i++) {
		const struct psk_line *l = &p->keys.v[i];

		if (l->sci == r->sci && l->an == r->an &&
		    memcmp(l->key_id, r->key_id, MACSEC_KEY_ID_LEN) == 0)
			return receive_give(p, l);
	}
	return 0;
}

const struct psk_line *psk_peer(const struct psk *p, size_t i)
{
	return i < p->keys.count ? &p->keys.v[i] : NULL;
}
