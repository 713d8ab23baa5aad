/*
 * node_test: a node's forward role without its process, for tests: its state area, its worker,
 * an overlay and a wan port whose far ends the test holds, and what it said to control.
 */
#pragma once

#include "base/log.h"
#include "fwd/path.h"
#include "wire/eth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NODE_SECY 1
#define NODE_OVERLAY 2 /* port ids */
#define NODE_WAN 3
#define NODE_SAID 64

/* What happens: the same for the same seed, which is not 0. */
struct rng {
	uint64_t s;
};

static inline uint32_t pick(struct rng *r, uint32_t below)
{
	r->s ^= r->s << 13;
	r->s ^= r->s >> 7;
	r->s ^= r->s << 17;
	return (uint32_t)(r->s >> 32) % below;
}

struct node {
	uint8_t id; /* last octet of its address */
	void *area;
	struct pkt_pool *pool;
	struct fwd *f;
	struct port *overlay, *wan; /* the far ends */
	uint16_t vlan, mtu;
	uint32_t window;
	bool should_secure;
	struct msg said[NODE_SAID];
	unsigned said_count;
};

static inline void node_hear(void *ctx, const struct msg *m)
{
	struct node *n = ctx;

	n->said[n->said_count++ % NODE_SAID] = *m;
}

static inline uint64_t node_sci(unsigned id)
{
	return UINT64_C(0x0200000000000001) | (uint64_t)id << 16;
}

static inline void node_port(struct node *n, uint16_t id, uint8_t kind, struct port **far)
{
	struct port *near = port_memory_new(1024, n->pool);
	struct msg_port_give give = {.port = id, .kind = kind};

	if (kind == MSG_PORT_WAN) {
		give.vlan = n->vlan;
		give.mtu = n->mtu;
		give.eapol_type = 0x876f;
		give.clear = n->should_secure;
	}
	*far = port_memory_new(1024, n->pool);
	port_memory_join(near, *far);
	assert_int_equal(fwd_port_add(n->f, &give, near), 0);
}

/* A forward process over the node's area: the first, or a successor. */
static inline void node_start(struct node *n)
{
	n->f = fwd_new(n->area, fwd_state_size(), n->pool, node_hear, n);
	assert_non_null(n->f);
	node_port(n, NODE_OVERLAY, MSG_PORT_OVERLAY, &n->overlay);
	node_port(n, NODE_WAN, MSG_PORT_WAN, &n->wan);
}

static inline void node_stop(struct node *n)
{
	fwd_free(n->f);
	n->overlay->ops->close(n->overlay);
	n->wan->ops->close(n->wan);
	n->f = NULL;
}

static inline int node_secy(struct node *n)
{
	struct msg m = {.type = MSG_SECY_ADD};

	m.secy_add = (struct msg_secy){.secy = NODE_SECY,
				       .overlay = NODE_OVERLAY,
				       .wan = NODE_WAN,
				       .sci = node_sci(n->id),
				       .window = n->window,
				       .send_sci = true,
				       .replay_protect = true,
				       .should_secure = n->should_secure,
				       .name = "core"};
	return fwd_control(n->f, &m);
}

static inline void node_init(struct node *n, uint8_t id, uint32_t window)
{
	log_set_level(LOG_LVL_ERROR);
	*n = (struct node){.id = id, .window = window, .mtu = 1500};
	n->area = aligned_alloc(64, fwd_state_size());
	assert_non_null(n->area);
	memset(n->area, 0, fwd_state_size());
	n->pool = pkt_pool_new(512, 2048);
	node_start(n);
	assert_int_equal(node_secy(n), 0);
}

static inline void node_fini(struct node *n)
{
	node_stop(n);
	assert_int_equal(n->pool->free, 512); /* no buffer was lost */
	pkt_pool_free(n->pool);
	free(n->area);
}

/* A key of its own for every number. */
static inline struct msg node_sa(enum msg_type type, uint64_t sci, uint8_t an, unsigned key,
				 enum macsec_suite suite)
{
	struct msg m = {.type = type};
	uint8_t bytes[32];

	memset(bytes, (int)key, sizeof(bytes));
	m.sa = (struct msg_sa){
		.secy = NODE_SECY, .an = an, .suite = (uint8_t)suite, .sci = sci, .pn = 1};
	memset(m.sa.salt, 0x5a, sizeof(m.sa.salt));
	if (macsec_suites[suite].xpn)
		m.sa.ssci = (uint32_t)(sci >> 16 & 0xff);
	m.sa.key_id[0] = (uint8_t)key;
	assert_int_equal(secret_set(&m.sa.key, bytes, macsec_suites[suite].key_len), 0);
	return m;
}

/* Both hear each other, then both speak: what a keying protocol does. */
static inline void node_key(struct node *a, struct node *b, uint8_t an, unsigned key,
			    enum macsec_suite suite)
{
	struct node *both[2] = {a, b};
	struct msg m;

	for (unsigned i = 0; i < 2; i++) {
		m = node_sa(MSG_SA_RECEIVE, node_sci(both[i ^ 1]->id), an, key, suite);
		assert_int_equal(fwd_control(both[i]->f, &m), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		m = node_sa(MSG_SA_TRANSMIT, node_sci(both[i]->id), an, key, suite);
		assert_int_equal(fwd_control(both[i]->f, &m), 0);
	}
}

static inline void node_give(struct node *n, struct port *far, const void *frame, size_t len)
{
	struct pkt p;

	assert_true(pkt_alloc(n->pool, &p));
	memcpy(p.data, frame, len);
	p.len = (uint32_t)len;
	p.mark = PKT_SEALED | PKT_OPENED; /* a lie that no stage may believe */
	assert_int_equal(far->ops->tx(far, &p, 1), 1);
}

/* The next frame that came out there, copied to buf. 0: none. */
static inline size_t node_take(struct node *n, struct port *far, uint8_t buf[2048])
{
	struct pkt p;
	size_t len;

	if (!far->ops->rx(far, &p, 1))
		return 0;
	len = p.len;
	assert_true(len <= 2048);
	memcpy(buf, p.data, len);
	pkt_release(n->pool, &p);
	return len;
}

/* Through the whole path: a frame from the overlay, as it leaves by the wan. 0: it did not. */
static inline size_t node_send(struct node *n, const void *frame, size_t len, uint8_t wire[2048])
{
	node_give(n, n->overlay, frame, len);
	fwd_poll(n->f);
	return node_take(n, n->wan, wire);
}

/* And back: a frame from the wan, as the overlay gets it. 0: it does not. */
static inline size_t node_receive(struct node *n, const void *wire, size_t len, uint8_t frame[2048])
{
	node_give(n, n->wan, wire, len);
	fwd_poll(n->f);
	return node_take(n, n->overlay, frame);
}

/* An inner frame of `len` bytes with a recognisable payload. */
static inline void node_frame(uint8_t *frame, size_t len, uint8_t seed)
{
	static const uint8_t head[14] = {2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x08, 0x00};

	for (size_t i = 0; i < len; i++)
		frame[i] = i < sizeof(head) ? head[i] : (uint8_t)(seed + i);
	if (len > 14)
		frame[14] = 0x45;
	if (len > 15)
		frame[15] = 0xb8;
}

/* All that the standard counts in a node: SecYs, SCs and SAs together. */
static inline struct sa_counters node_counters(struct node *n)
{
	struct secy *y = secy_find(n->f->sas, NODE_SECY);
	struct sa_counters sum = y->counters;

	for (struct sc *sc = y->scs; sc; sc = sc->next) {
		sa_counters_add(&sum, &sc->counters);
		for (unsigned an = 0; an < MACSEC_AN_COUNT; an++)
			if (sc->sa[an])
				sa_counters_add(&sum, &sc->sa[an]->counters);
	}
	return sum;
}
