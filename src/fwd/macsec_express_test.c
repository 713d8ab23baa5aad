/*
 * macsec_express: the short way of MACsec against the long one. A frame alone goes the long way, for
 * the short one is for what is like the frame before it. Two nodes get the same frames, many of them
 * changed, doubled, late or overtaken: one by one the one, in bursts of any size the other. What comes
 * out must be the same in the same order, and so must be what became of the rest.
 */
#include "fwd/node_test.h"

#define MOST 400 /* frames of a burst with what is made of them */

struct frame {
	size_t len;
	uint8_t b[2048];
};

/* What a carrier, or somebody on it, does to a frame. */
static void carry(struct rng *r, struct frame *f)
{
	switch (pick(r, 24)) {
	case 0:
		f->b[pick(r, (uint32_t)f->len)] ^= (uint8_t)(1u << pick(r, 8));
		break;
	case 1: /* in the SecTAG */
		f->b[12 + pick(r, 16)] ^= (uint8_t)(1u << pick(r, 8));
		break;
	case 2:
		f->len -= 1 + pick(r, f->len > 60 ? 40 : 4);
		break;
	case 3: /* padded */
		f->len += 1 + pick(r, 20);
		break;
	case 4: /* the upper octets of the packet number */
		f->b[16 + pick(r, 2)] ^= (uint8_t)(1u << pick(r, 8));
		break;
	default:
		break;
	}
}

/* Frames of both senders on their way. */
static unsigned wire_make(struct rng *r, struct node *z, struct frame *v, unsigned n)
{
	static struct frame old;
	unsigned k = 0;
	struct frame f;

	while (k < n) {
		struct node *from = &z[!pick(r, 8)];

		f.len = pick(r, 3) ? 14 + pick(r, 80) : 14 + pick(r, 1400);
		node_frame(f.b, f.len, (uint8_t)k);
		v[k].len = node_send(from, f.b, f.len, v[k].b);
		assert_true(v[k].len);
		if (k && !pick(r, 10)) {
			f = v[k];
			v[k] = v[k - 1];
			v[k - 1] = f;
		}
		carry(r, &v[k++]);
		if (k < n && !pick(r, 30)) {
			v[k] = v[pick(r, k)];
			k++;
		}
		if (k < n && old.len && !pick(r, 60))
			v[k++] = old;
		if (!pick(r, 200))
			old = v[k - 1];
	}
	return k;
}

/* A changed copy of a frame is told by the replay window where the frame itself was settled before
 * it, and by its ICV where both are in one run: these count as one. */
static void same_counts(struct node *x, struct node *y)
{
	struct node *v[2] = {x, y};
	uint64_t fates[2][FATE_COUNT];
	struct sa_counters c[2];

	for (unsigned i = 0; i < 2; i++) {
		memcpy(fates[i], v[i]->f->fates, sizeof(fates[i]));
		fates[i][FATE_DROP_NOT_VALID] +=
			fates[i][FATE_DROP_DUPLICATE] + fates[i][FATE_DROP_LATE];
		fates[i][FATE_DROP_DUPLICATE] = fates[i][FATE_DROP_LATE] = 0;
		c[i] = node_counters(v[i]);
		c[i].v[IN_PKTS_NOT_VALID] += c[i].v[IN_PKTS_LATE];
		c[i].v[IN_PKTS_LATE] = 0;
	}
	for (unsigned i = 0; i < FATE_COUNT; i++)
		if (fates[0][i] != fates[1][i])
			fail_msg("%s: %lu in bursts, %lu one by one", fwd_fate_names[i],
				 fates[0][i], fates[1][i]);
	assert_memory_equal(&c[0], &c[1], sizeof(c[0]));
}

/* A burst to x, one by one to y. Returns how many came. */
static unsigned burst(struct rng *r, struct node *z, struct node *x, struct node *y)
{
	static struct frame v[MOST], w[MOST];
	unsigned n = wire_make(r, z, v, 1 + pick(r, PKT_BURST)), came = 0;
	uint8_t out[2048];

	for (unsigned i = 0; i < n; i++) {
		node_give(x, x->wan, v[i].b, v[i].len);
		w[came].len = node_receive(y, v[i].b, v[i].len, w[came].b);
		came += w[came].len != 0;
	}
	fwd_poll(x->f);
	for (unsigned i = 0; i < came; i++) {
		assert_int_equal(node_take(x, x->overlay, out), w[i].len);
		assert_memory_equal(out, w[i].b, w[i].len);
	}
	assert_int_equal(node_take(x, x->overlay, out), 0);
	same_counts(x, y);
	return came;
}

static void bursts_arrive_as_single_frames_do(void **state)
{
	static const enum macsec_suite suites[] = {MACSEC_GCM_AES_XPN_256, MACSEC_GCM_AES_128,
						   MACSEC_GCM_AES_XPN_128, MACSEC_GCM_AES_256};
	struct rng r = {0x853c49e6748fea9b};
	unsigned came = 0;

	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		const uint32_t windows[] = {0, 64, 1024, 3};
		struct node x, y, z[2];
		/* Both senders' SAs at both receivers, which are one node. */
		struct node *receivers[2] = {&x, &y};

		node_init(&x, 1, windows[round / 4 % 4]);
		node_init(&y, 1, windows[round / 4 % 4]);
		for (unsigned i = 0; i < 2; i++) {
			uint64_t pn = round % 8 < 4 ? UINT64_C(0xffffff00) : 1;
			struct msg m = node_sa(MSG_SA_TRANSMIT, node_sci(2 + i), 0, 2 + i,
					       suites[round % 4]);

			if (!macsec_suites[suites[round % 4]].xpn)
				pn = 1;
			node_init(&z[i], (uint8_t)(2 + i), 64);
			m.sa.pn = pn;
			assert_int_equal(fwd_control(z[i].f, &m), 0);
			m.type = MSG_SA_RECEIVE;
			for (unsigned k = 0; k < 2; k++)
				assert_int_equal(fwd_control(receivers[k]->f, &m), 0);
		}
		for (unsigned i = 0; i < 20; i++)
			came += burst(&r, z, &x, &y);
		node_fini(&x);
		node_fini(&y);
		node_fini(&z[0]);
		node_fini(&z[1]);
	}
	assert_true(came > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bursts_arrive_as_single_frames_do),
	};

	return cmocka_run_group_tests_name("fwd/macsec_express", tests, NULL, NULL);
}
