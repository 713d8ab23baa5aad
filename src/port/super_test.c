/*
 * Superframes: cut as a model written for this test cuts them, put together so that cutting gives
 * every octet back, and never where a header says that two frames are not alike.
 */
#include "port/super_test.h"

#include "wire/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FRAME_MAX 2000
#define ROUNDS 3000

/* What number i of m's frames is; its length. */
static uint32_t model_segment(const struct made *m, unsigned i, uint8_t *out)
{
	uint32_t size = m->h.gso_size, at = m->payload + i * size, some = m->len - at, seq;
	uint8_t *tcp = out + m->upper;
	bool last = some <= size;

	if (!last)
		some = size;
	memcpy(out, m->b, m->payload);
	memcpy(out + m->payload, m->b + at, some);
	if (!m->six)
		model_put16(out + m->ip + 4, (model_get16(out + m->ip + 4) + i) & 0xffff);
	if (!m->udp) {
		seq = (uint32_t)model_get16(tcp + 4) << 16 | model_get16(tcp + 6);
		seq += i * size;
		model_put16(tcp + 4, seq >> 16);
		model_put16(tcp + 6, seq & 0xffff);
		if (i)
			tcp[13] &= 0x7f;
		if (!last)
			tcp[13] &= 0xf6;
	}
	model_finish(m, out, m->payload + some, false);
	return m->payload + some;
}

static void cutting_gives_what_the_model_gives(void **state)
{
	static struct made m;
	static uint8_t out[FRAME_MAX], expected[FRAME_MAX];
	struct segmenter s;
	unsigned kinds[4] = {0};

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned size = 1 + random_below(round % 3 ? 1400 : 90);
		unsigned payload = 1 + random_below(size * 40 < 60000 ? size * 40 : 60000), i = 0;

		make(&m, true, payload, size);
		kinds[m.six * 2 + m.udp]++;
		assert_true(segmenter_begin(&s, &m.h, m.b, m.len, FRAME_MAX));
		for (; segmenter_left(&s); i++) {
			uint32_t len = segmenter_next(&s, out);

			assert_int_equal(len, model_segment(&m, i, expected));
			assert_memory_equal(out, expected, len);
		}
		assert_int_equal(i, (payload + size - 1) / size);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_true(kinds[i]);
}

static void a_checksum_is_finished_as_the_model_does(void **state)
{
	static struct made m;
	static uint8_t expected[SUPER_MAX];

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		make(&m, true, random_below(1400), 0);
		m.h.gso_type = VIRTIO_NET_HDR_GSO_NONE;
		memcpy(expected, m.b, m.len);
		model_finish(&m, expected, m.len, false);
		assert_true(super_checksum_finish(&m.h, m.b, m.len));
		assert_memory_equal(m.b, expected, m.len);
	}
}

/* Frames of a burst in buffers of a pool. */
struct burst {
	struct pkt_pool *pool;
	struct pkt v[PKT_BURST];
	unsigned n;
};

static int burst_setup(void **state)
{
	struct burst *b = calloc(1, sizeof(*b));

	srandom(1);
	b->pool = pkt_pool_new(PKT_BURST, FRAME_MAX);
	*state = b;
	return 0;
}

static void burst_clear(struct burst *b)
{
	while (b->n)
		pkt_release(b->pool, &b->v[--b->n]);
}

static int burst_teardown(void **state)
{
	struct burst *b = *state;

	burst_clear(b);
	pkt_pool_free(b->pool);
	free(b);
	return 0;
}

static void burst_add(struct burst *b, const uint8_t *frame, uint32_t len)
{
	assert_true(pkt_alloc(b->pool, &b->v[b->n]));
	memcpy(b->v[b->n].data, frame, len);
	b->v[b->n++].len = len;
}

static void burst_cut(struct burst *b, const struct made *m)
{
	struct segmenter s;

	burst_clear(b);
	assert_true(segmenter_begin(&s, &m->h, m->b, m->len, FRAME_MAX));
	while (segmenter_left(&s)) {
		assert_true(pkt_alloc(b->pool, &b->v[b->n]));
		b->v[b->n].len = segmenter_next(&s, b->v[b->n].data);
		b->n++;
	}
}

/* What would be written of a group: its octets, and its header. */
static uint32_t group_gather(struct burst *b, const struct coalescer *c, unsigned group,
			     uint8_t *out, struct virtio_net_hdr *h)
{
	const struct super_group *g = &c->group[group];
	uint32_t len = b->v[g->first].len;

	*h = (struct virtio_net_hdr){0};
	if (g->count > 1)
		coalescer_finish(g, &b->v[g->first], h);
	memcpy(out, b->v[g->first].data, len);
	for (unsigned i = g->first; i != g->last;) {
		i = c->next[i];
		memcpy(out + len, b->v[i].data + g->shape.payload, b->v[i].len - g->shape.payload);
		len += b->v[i].len - g->shape.payload;
	}
	return len;
}

static void what_was_cut_is_put_together_to_the_octet(void **state)
{
	struct burst *b = *state;
	static struct made m;
	static uint8_t out[SUPER_MAX];
	struct virtio_net_hdr h;
	struct coalescer c;

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned size = 1 + random_below(1400), max = size * PKT_BURST;

		if (max > 60000)
			max = 60000;
		make(&m, false, size + 1 + random_below(max - size), size);
		burst_cut(b, &m);
		coalescer_take(&c, b->v, b->n);
		assert_int_equal(c.count, 1);
		assert_int_equal(c.group[0].count, b->n);
		assert_int_equal(group_gather(b, &c, 0, out, &h), m.len);
		assert_memory_equal(out, m.b, m.len);
		assert_memory_equal(&h, &m.h, sizeof(h));
	}
}

/* One way in which a second frame is not what would follow the first. */
struct row {
	const char *what;
	bool six, udp;
	char from; /* 'i': octet `at` of IP's header; 'u': of TCP's or UDP's */
	uint8_t at, bits;
	bool broken; /* and no checksum is made good */
};

static const struct row rows[] = {
	{"another TOS", false, false, 'i', 1, 0x20, false},
	{"congestion told (CE)", false, false, 'i', 1, 0x01, false},
	{"an identification that does not count up", false, false, 'i', 5, 0x40, false},
	{"another DF", false, false, 'i', 6, 0x40, false},
	{"the reserved flag", false, false, 'i', 6, 0x80, false},
	{"a fragment", false, false, 'i', 6, 0x20, false},
	{"a later fragment", false, false, 'i', 7, 0x01, false},
	{"another TTL", false, false, 'i', 8, 0x01, false},
	{"a header checksum that is wrong", false, false, 'i', 10, 0x01, true},
	{"another source", false, false, 'i', 15, 0x01, false},
	{"another destination", false, false, 'i', 19, 0x01, false},
	{"another traffic class", true, false, 'i', 1, 0x40, false},
	{"another flow label", true, false, 'i', 3, 0x01, false},
	{"another hop limit", true, false, 'i', 7, 0x01, false},
	{"another source of IPv6", true, false, 'i', 23, 0x01, false},
	{"another destination of IPv6", true, false, 'i', 39, 0x01, false},
	{"another source port", false, false, 'u', 1, 0x01, false},
	{"another destination port", false, false, 'u', 3, 0x01, false},
	{"a gap in the sequence numbers", false, false, 'u', 7, 0x80, false},
	{"another acknowledgement", false, false, 'u', 11, 0x01, false},
	{"a reserved bit", false, false, 'u', 12, 0x01, false},
	{"SYN", false, false, 'u', 13, 0x02, false},
	{"RST", false, false, 'u', 13, 0x04, false},
	{"no ACK", false, false, 'u', 13, 0x10, false},
	{"URG", false, false, 'u', 13, 0x20, false},
	{"ECE", false, false, 'u', 13, 0x40, false},
	{"CWR", false, false, 'u', 13, 0x80, false},
	{"another window", false, false, 'u', 15, 0x01, false},
	{"a checksum that is wrong", false, false, 'u', 17, 0x01, true},
	{"another urgent pointer", false, false, 'u', 19, 0x01, false},
	{"other options", false, false, 'u', 23, 0x01, false},
	{"another source port of UDP", false, true, 'u', 1, 0x01, false},
	{"another identification of UDP", false, true, 'i', 5, 0x40, false},
	{"a checksum of UDP that is wrong", false, true, 'u', 7, 0x01, true},
	{"a checksum of UDP over IPv6 that is wrong", true, true, 'u', 7, 0x01, true},
};

static void make_kind(struct made *m, bool six, bool udp)
{
	do
		make(m, false, 3000, 1000);
	while (m->six != six || m->udp != udp || (!udp && m->payload < m->upper + 24));
	if (!udp)
		m->b[m->upper + 13] = 0x10;
	m->h.gso_type &= (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
}

static void frames_that_are_not_alike_stay_apart(void **state)
{
	struct burst *b = *state;
	static struct made m;
	struct coalescer c;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct pkt *second = &b->v[1];

		make_kind(&m, r->six, r->udp);
		burst_cut(b, &m);
		assert_int_equal(b->n, 3);
		second->data[(r->from == 'i' ? m.ip : m.upper) + r->at] ^= r->bits;
		if (!r->broken)
			model_finish(&m, second->data, second->len, false);
		coalescer_take(&c, b->v, 2);
		if (c.count != 2)
			fail_msg("joined in spite of %s", r->what);
		model_put16(second->data + 12, 0x88b5); /* the same, alone and of no flow */
		coalescer_take(&c, b->v, 2);
		assert_int_equal(c.count, 2);
	}
	printf("# %zu classes of frames that GRO keeps apart\n", sizeof(rows) / sizeof(rows[0]));
}

static unsigned groups_of(struct burst *b, unsigned n)
{
	struct coalescer c;

	coalescer_take(&c, b->v, n);
	return c.count;
}

static void a_superframe_ends_with_push_fin_and_a_short_frame(void **state)
{
	struct burst *b = *state;
	static struct made m;

	for (unsigned bit = 1; bit <= 8; bit *= 8) {
		make_kind(&m, bit & 1, false);
		burst_cut(b, &m);
		b->v[1].data[m.upper + 13] |= (uint8_t)bit;
		model_finish(&m, b->v[1].data, b->v[1].len, false);
		assert_int_equal(groups_of(b, 2), 1);
		assert_int_equal(groups_of(b, 3), 2);
		b->v[0].data[m.upper + 13] |= (uint8_t)bit;
		model_finish(&m, b->v[0].data, b->v[0].len, false);
		assert_int_equal(groups_of(b, 2), 2);
	}
	make_kind(&m, false, true);
	burst_cut(b, &m);
	b->v[1].len -= 10; /* of datagrams, a short one is the last; a longer one is none of them */
	model_finish(&m, b->v[1].data, b->v[1].len, false);
	assert_int_equal(groups_of(b, 2), 1);
	assert_int_equal(groups_of(b, 3), 2);
	b->v[0].len -= 20;
	model_finish(&m, b->v[0].data, b->v[0].len, false);
	assert_int_equal(groups_of(b, 2), 2);
}

static void a_frame_with_padding_and_a_datagram_without_checksum_go_alone(void **state)
{
	struct burst *b = *state;
	static struct made m;

	make_kind(&m, false, false);
	burst_cut(b, &m);
	b->v[1].len++;
	assert_int_equal(groups_of(b, 2), 2);
	make_kind(&m, false, true);
	burst_cut(b, &m);
	assert_int_equal(groups_of(b, 2), 1);
	for (unsigned i = 0; i < 2; i++)
		model_put16(b->v[i].data + m.upper + 6, 0);
	assert_int_equal(groups_of(b, 2), 2);
}

/* The frames of one flow among those of a burst, by the octets at `at`. */
static void flow_expect(const struct burst *before, const struct burst *after)
{
	assert_int_equal(before->n, after->n);
	for (unsigned flow = 0; flow < 256; flow++) {
		unsigned k = 0;

		for (unsigned i = 0; i < before->n; i++) {
			if (before->v[i].data[0] != flow)
				continue;
			while (k < after->n && after->v[k].data[0] != flow)
				k++;
			assert_true(k < after->n);
			assert_int_equal(before->v[i].len, after->v[k].len);
			assert_memory_equal(before->v[i].data, after->v[k].data, before->v[i].len);
			k++;
		}
	}
}

/* Bursts of many flows, some of whose frames are changed, lost or doubled on the way. */
static void burst_mix(struct burst *b)
{
	static struct made m[12];
	unsigned flows = 1 + random_below(12), at[12] = {0};
	uint8_t frame[FRAME_MAX];

	for (unsigned i = 0; i < flows; i++) {
		unsigned size = 1 + random_below(300);

		make(&m[i], !random_below(8), 1 + random_below(size * 30), size);
		m[i].b[0] = (uint8_t)(i * 2);
	}
	burst_clear(b);
	while (b->n < PKT_BURST) {
		unsigned i = random_below(flows), run = 1 + random_below(8);

		for (; run && b->n < PKT_BURST; run--) {
			uint32_t len;

			if (m[i].payload + at[i] * m[i].h.gso_size >= m[i].len)
				at[i] = 0;
			len = model_segment(&m[i], at[i], frame);
			if (random_below(40))
				at[i]++;
			if (!random_below(25)) { /* what is changed leaves it of its flow */
				uint32_t from = random_below(2) ? m[i].ip : m[i].upper + 4;
				uint32_t n = from == m[i].ip ? 8 : len - from;

				frame[from + random_below(n)] ^= (uint8_t)(1u << random_below(8));
			}
			burst_add(b, frame, len);
		}
	}
}

static void bursts_of_many_flows_come_out_as_they_went_in(void **state)
{
	struct burst *b = *state, before = {.pool = pkt_pool_new(PKT_BURST, FRAME_MAX)},
		     after = {.pool = pkt_pool_new(PKT_BURST, FRAME_MAX)};
	static uint8_t super[SUPER_MAX], out[FRAME_MAX];
	uint64_t joined = 0, alone = 0;
	struct virtio_net_hdr h;
	struct coalescer c;

	for (unsigned round = 0; round < ROUNDS; round++) {
		burst_mix(b);
		burst_clear(&before);
		burst_clear(&after);
		for (unsigned i = 0; i < b->n; i++)
			burst_add(&before, b->v[i].data, b->v[i].len);
		coalescer_take(&c, b->v, b->n);
		for (unsigned g = 0; g < c.count; g++) {
			uint32_t len = group_gather(b, &c, g, super, &h);
			struct segmenter s;

			joined += c.group[g].count > 1;
			alone += c.group[g].count == 1;
			if (c.group[g].count == 1) {
				burst_add(&after, super, len);
				continue;
			}
			assert_true(segmenter_begin(&s, &h, super, len, FRAME_MAX));
			while (segmenter_left(&s)) {
				uint32_t some = segmenter_next(&s, out);

				burst_add(&after, out, some);
			}
		}
		flow_expect(&before, &after);
	}
	assert_true(joined > ROUNDS && alone > ROUNDS);
	burst_clear(&before);
	burst_clear(&after);
	pkt_pool_free(before.pool);
	pkt_pool_free(after.pool);
}

/* Changes of a header that is right, after which it is not. */
static void hostile_headers_are_refused(void **state)
{
	static struct made m;
	struct segmenter s;

	(void)state;
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		make_kind(&m, false, false);                                                       \
		assert_true(segmenter_begin(&s, &m.h, m.b, m.len, FRAME_MAX));                     \
		change;                                                                            \
		assert_false(segmenter_begin(&s, &m.h, m.b, m.len, FRAME_MAX));                    \
	} while (0)
	REFUSED(m.h.gso_size = 0);
	REFUSED(m.h.gso_size = FRAME_MAX);
	REFUSED(m.h.gso_size = UINT16_MAX);
	REFUSED(m.h.gso_type = VIRTIO_NET_HDR_GSO_NONE);
	REFUSED(m.h.gso_type = VIRTIO_NET_HDR_GSO_UDP);
	REFUSED(m.h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6);
	REFUSED(m.h.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4);
	REFUSED(m.h.gso_type = 0x7f);
	REFUSED(m.h.csum_start += 4);
	REFUSED(m.h.csum_start = UINT16_MAX);
	REFUSED(m.h.csum_offset = 6);
	REFUSED(m.len = m.payload);
	REFUSED(m.len = m.upper + 3);
	REFUSED(m.len = m.ip + 3);
	REFUSED(m.len = 13);
	REFUSED(m.len = SUPER_MAX + 1);
	REFUSED(m.b[m.upper + 12] = 0x40);
	REFUSED(m.b[m.ip] = 0x44);
	REFUSED(m.b[m.ip] = 0x65);
	REFUSED(m.b[m.ip + 6] = 0x20);
	REFUSED(m.b[m.ip + 9] = 1);
#undef REFUSED
	make_kind(&m, true, true);
	m.h.csum_start = UINT16_MAX;
	assert_false(segmenter_begin(&s, &m.h, m.b, m.len, FRAME_MAX));
	m.h.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	assert_false(super_checksum_finish(&m.h, m.b, m.len));
	m.h.csum_start = (uint16_t)(m.len - 6);
	assert_false(super_checksum_finish(&m.h, m.b, m.len - 1));
	m.h.csum_start = 3;
	assert_false(super_checksum_finish(&m.h, m.b, m.len));
	printf("# 25 classes of virtio headers that are not about their frame\n");
}

/* Headers and frames of which anything may be wrong, in memory that ends with the frame. */
static void no_header_leads_beyond_the_frame(void **state)
{
	static struct made m;
	unsigned taken = 0;

	(void)state;
	for (unsigned round = 0; round < 10 * ROUNDS; round++) {
		uint8_t *frame, out[FRAME_MAX];
		struct segmenter s;
		uint32_t len;

		make(&m, true, 1 + random_below(300), 1 + random_below(300));
		for (unsigned k = random_below(4); k; k--)
			((uint8_t *)&m.h)[random_below(sizeof(m.h))] ^=
				(uint8_t)(1u << random_below(8));
		for (unsigned k = random_below(3); k; k--)
			m.b[12 + random_below(m.payload - 12)] ^= (uint8_t)(1u << random_below(8));
		len = random_below(3) ? m.len : 1 + random_below(m.len);
		frame = malloc(len);
		memcpy(frame, m.b, len);
		if (segmenter_begin(&s, &m.h, frame, len, FRAME_MAX)) {
			taken++;
			for (unsigned i = 0; segmenter_left(&s) && i < 400; i++)
				assert_true(segmenter_next(&s, out) <= FRAME_MAX);
			assert_false(segmenter_left(&s));
		}
		super_checksum_finish(&m.h, frame, len);
		free(frame);
	}
	assert_true(taken > ROUNDS);
}

/* n frames of ESP in UDP, the last of `last` bytes of payload. */
static void make_bundle(struct made *m, struct pkt *v, uint8_t b[][FRAME_MAX], unsigned n,
			unsigned size, unsigned last)
{
	const unsigned tags = random_below(3);
	const bool six = random_below(2);
	const uint16_t id = random_below(2) ? (uint16_t)(1 + random_below(65535)) : 0;

	for (unsigned i = 0; i < n; i++) {
		uint32_t len = make_esp(m, b[i], i, i + 1 < n ? size : last, six, tags, id);

		v[i] = (struct pkt){.data = b[i], .len = len, .mark = PKT_SEALED};
	}
}

static void a_bundle_cut_again_is_its_frames(void **state)
{
	static uint8_t b[PKT_BURST][FRAME_MAX], was[FRAME_MAX], all[SUPER_MAX], out[FRAME_MAX];
	struct pkt v[PKT_BURST];
	unsigned six = 0;
	struct made m;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned size = 60 + random_below(900), n = 2 + random_below(PKT_BURST - 1);
		struct virtio_net_hdr h;
		struct segmenter s;
		struct bundle shape;
		uint32_t len;

		make_bundle(&m, v, b, n, size, 1 + random_below(size));
		six += m.six;
		assert_int_equal(bundle_count(&shape, v, n), n);
		memcpy(was, b[0], m.payload);
		bundle_finish(&shape, v, n, &h);
		memcpy(all, b[0], len = v[0].len);
		for (unsigned i = 1; i < n; len += v[i++].len - m.payload)
			memcpy(all + len, b[i] + m.payload, v[i].len - m.payload);
		bundle_undo(&shape, v);
		assert_memory_equal(b[0], was, m.payload);
		assert_true(segmenter_begin(&s, &h, all, len, FRAME_MAX));
		s.unsummed = !m.six;
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(segmenter_next(&s, out), v[i].len);
			if (!m.six && b[i][m.ip + 6]) { /* numbered nothing */
				model_put16(out + m.ip + 4, 0);
				memcpy(out + m.ip + 10, b[i] + m.ip + 10, 2);
			}
			assert_memory_equal(out, b[i], v[i].len);
		}
		assert_false(segmenter_left(&s));
	}
	assert_true(six && six < ROUNDS);
}

/* May differ: identification, which has to count, and what is summed up; the rest may not. */
static bool is_sum(const struct made *m, unsigned at)
{
	if (m->six)
		return at == m->upper + 6 || at == m->upper + 7;
	return at == m->ip + 10 || at == m->ip + 11;
}

static void frames_that_are_not_alike_are_no_bundle(void **state)
{
	static uint8_t b[4][FRAME_MAX];
	struct bundle shape;
	struct pkt v[4];
	struct made m;

	(void)state;
	for (unsigned round = 0; round < 50; round++)
		for (unsigned at = 0;; at++) {
			make_bundle(&m, v, b, 4, 200, 100);
			if (at >= m.payload)
				break;
			if (is_sum(&m, at))
				continue;
			b[2][at] ^= (uint8_t)(1u << random_below(8));
			assert_int_equal(bundle_count(&shape, v, 4), 2);
		}
	make_bundle(&m, v, b, 4, 200, 100);
	for (v[1].mark = 0; v[1].mark < 256; v[1].mark = (uint16_t)(v[1].mark + 2))
		assert_int_equal(bundle_count(&shape, v, 4),
				 1); /* not sealed, whatever else it is */
	v[1].mark = PKT_SEALED;
	v[0].mark = PKT_BYPASSED;
	assert_int_equal(bundle_count(&shape, v, 4), 1);
	make_bundle(&m, v, b, 4, 200, 201);
	assert_int_equal(bundle_count(&shape, v, 4), 3); /* longer */
	for (unsigned i = 0; i < 4; i++)
		v[i].len = make_esp(&m, b[i], i, i ? 199 : 200, false, 0, 7);
	assert_int_equal(bundle_count(&shape, v, 4), 2); /* behind a shorter one */
	for (unsigned i = 0; i < 4; i++)
		v[i].len = make_esp(&m, b[i], i, 200, false, 0, 65534);
	assert_int_equal(bundle_count(&shape, v, 4), 4); /* counted past its end */
	v[0].len = v[1].len = 13;
	assert_int_equal(bundle_count(&shape, v, 4), 1); /* cut short */
}

static void a_bundle_is_no_longer_than_an_ip_packet(void **state)
{
	static uint8_t b[PKT_BURST][FRAME_MAX];
	struct bundle shape;
	struct pkt v[PKT_BURST];
	struct made m;

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		make_bundle(&m, v, b, PKT_BURST, 1464, 1464);
		assert_int_equal(bundle_count(&shape, v, PKT_BURST),
				 (65535 - (m.payload - m.ip)) / 1464);
	}
}

int main(void)
{
#define BURST(t) cmocka_unit_test_setup_teardown(t, burst_setup, burst_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cutting_gives_what_the_model_gives),
		cmocka_unit_test(a_checksum_is_finished_as_the_model_does),
		BURST(what_was_cut_is_put_together_to_the_octet),
		BURST(frames_that_are_not_alike_stay_apart),
		BURST(a_superframe_ends_with_push_fin_and_a_short_frame),
		BURST(a_frame_with_padding_and_a_datagram_without_checksum_go_alone),
		BURST(bursts_of_many_flows_come_out_as_they_went_in),
		cmocka_unit_test(a_bundle_cut_again_is_its_frames),
		cmocka_unit_test(frames_that_are_not_alike_are_no_bundle),
		cmocka_unit_test(a_bundle_is_no_longer_than_an_ip_packet),
		cmocka_unit_test(hostile_headers_are_refused),
		cmocka_unit_test(no_header_leads_beyond_the_frame),
	};

	return cmocka_run_group_tests_name("port/super", tests, NULL, NULL);
}
