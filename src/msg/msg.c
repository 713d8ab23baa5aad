/*
 * The codec is one table: a message type is a list of rows, a row is one field with its place in
 * struct msg, its form on the wire and the values it may take. Both directions walk the same
 * rows, so what is built parses and what parses builds to the same bytes.
 *
 * No state; safe from any thread.
 */
#include "msg/msg.h"

#include "base/rd.h"
#include "base/wr.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum form {
	FORM_U8 = 1,
	FORM_U16,
	FORM_U32,
	FORM_U64,
	FORM_I8,     /* -1 to max */
	FORM_BOOL,   /* 0 or 1 */
	FORM_BYTES,  /* `size` bytes as they are */
	FORM_NAME,   /* `size` bytes, NUL-padded: letters, digits and ._-, not empty */
	FORM_TEXT,   /* `size` bytes, NUL-padded, at least one NUL: printable ASCII */
	FORM_SECRET, /* length byte and that many bytes */
	FORM_RULES,  /* count byte and that many rules */
	FORM_STATS,  /* count byte and that many pairs of text and u64 */
	FORM_END,    /* family byte, 16 bytes, u16 */
	FORM_TS,     /* count byte and that many of family, protocol, two u16, twice 16 bytes */
	FORM_BLOB,   /* u16 length and that many bytes */
};

struct field {
	uint8_t form; /* enum form; 0 ends the list */
	uint16_t at;  /* offset in struct msg */
	uint16_t size;
	uint64_t min, max; /* integers: inclusive */
};

enum fd_rule { FD_NONE, FD_MAY, FD_MUST };

struct layout {
	const char *name;
	const struct field *fields;
	enum fd_rule fd;
};

#define STATS_MAX (sizeof(((struct msg *)0)->stats.v) / sizeof(((struct msg *)0)->stats.v[0]))
#define SIZE_OF(m) ((uint16_t)sizeof(((struct msg *)0)->m))
#define INT(form_, m, min_, max_)                                                                  \
	{                                                                                          \
		.form = (form_), .at = offsetof(struct msg, m), .min = (min_), .max = (max_)       \
	}
#define U8(m, min_, max_) INT(FORM_U8, m, min_, max_)
#define U16(m, min_, max_) INT(FORM_U16, m, min_, max_)
#define U32(m, max_) INT(FORM_U32, m, 0, max_)
#define U64(m) INT(FORM_U64, m, 0, UINT64_MAX)
#define FLAG(m) INT(FORM_BOOL, m, 0, 1)
#define ARRAY(form_, m)                                                                            \
	{                                                                                          \
		.form = (form_), .at = offsetof(struct msg, m), .size = SIZE_OF(m)                 \
	}
#define BYTES(m) ARRAY(FORM_BYTES, m)
#define NAME(m) ARRAY(FORM_NAME, m)
#define TEXT(m) ARRAY(FORM_TEXT, m)
#define BLOB(m)                                                                                    \
	{                                                                                          \
		.form = FORM_BLOB, .at = offsetof(struct msg, m)                                   \
	}
#define END                                                                                        \
	{                                                                                          \
		.form = 0                                                                          \
	}

/* Identifiers are numbered from 1; 0 stands for "none" where a field may be absent. */
#define ID(m) U16(m, 1, UINT16_MAX)
#define VLAN(m) U16(m, 0, 4094)
#define ALLOW_ALL (MSG_ALLOW_CLEAR * 2 - 1)

static const struct field none_fields[] = {END};
static const struct field port_want_fields[] = {
	ID(port_want.port),
	U8(port_want.kind, MSG_PORT_WAN, MSG_PORT_OVERLAY),
	NAME(port_want.ifname),
	VLAN(port_want.vlan),
	U16(port_want.outer_type, 0, UINT16_MAX),
	VLAN(port_want.outer_vlan),
	U16(port_want.mtu, 0, UINT16_MAX),
	U16(port_want.over, 0, UINT16_MAX),
	U16(port_want.eapol_type, 0, UINT16_MAX),
	BYTES(port_want.eapol_dst),
	U32(port_want.allow, ALLOW_ALL),
	FLAG(port_want.others),
	U32(port_want.l2cp_peers, UINT32_MAX),
	BYTES(port_want.mac),
	FLAG(port_want.dhcp),
	FLAG(port_want.xdp),
	{.form = FORM_RULES, .at = offsetof(struct msg, port_want.rules)},
	END,
};
static const struct field address_want_fields[] = {
	ID(address_want.port),    U8(address_want.family, 4, 6), U8(address_want.prefix, 0, 128),
	BYTES(address_want.addr), FLAG(address_want.own_table),  END,
};
static const struct field route_want_fields[] = {
	ID(route_want.port),
	U8(route_want.family, 4, 6),
	U8(route_want.prefix, 0, 128),
	BYTES(route_want.dst),
	U8(route_want.via_family, 4, 6),
	BYTES(route_want.via),
	BYTES(route_want.src),
	U8(route_want.metric, 0, UINT8_MAX),
	FLAG(route_want.own_table),
	END,
};
static const struct field neighbour_want_fields[] = {
	ID(neighbour_want.port),
	U8(neighbour_want.family, 4, 6),
	BYTES(neighbour_want.addr),
	BYTES(neighbour_want.mac),
	END,
};
static const struct field neighbour_probe_fields[] = {
	ID(neighbour_probe.port),
	U8(neighbour_probe.family, 4, 6),
	BYTES(neighbour_probe.addr),
	END,
};
static const struct field port_udp_fields[] = {
	ID(port_udp.port),
	U8(port_udp.family, 4, 6),
	U16(port_udp.udp, 1, UINT16_MAX),
	END,
};
static const struct field file_open_fields[] = {
	U32(file_open.tag, UINT32_MAX),
	U8(file_open.kind, MSG_FILE_SECRET, MSG_FILE_CHAIN),
	NAME(file_open.name),
	END,
};
static const struct field file_fields[] = {
	U32(file.tag, UINT32_MAX),
	U16(file.error, 0, UINT16_MAX),
	TEXT(file.where),
	END,
};
static const struct field key_want_fields[] = {
	ID(key_want.key),
	NAME(key_want.authority),
	END,
};
static const struct field key_give_fields[] = {
	ID(key_give.key),
	U16(key_give.error, 0, UINT16_MAX),
	TEXT(key_give.where),
	END,
};
static const struct field key_held_fields[] = {
	ID(key_held.key),      U16(key_held.error, 0, UINT16_MAX),
	TEXT(key_held.where),  U32(key_held.schemes, UINT32_MAX),
	BLOB(key_held.public), END,
};
static const struct field sign_fields[] = {
	U32(sign.id, UINT32_MAX), ID(sign.key), U8(sign.scheme, 0, 31), BLOB(sign.data), END,
};
static const struct field sign_done_fields[] = {
	U32(sign_done.id, UINT32_MAX),
	ID(sign_done.key),
	U16(sign_done.error, 0, UINT16_MAX),
	BLOB(sign_done.signature),
	END,
};
static const struct field port_ready_fields[] = {
	ID(port_ready.port),
	U16(port_ready.error, 0, UINT16_MAX),
	U32(port_ready.ifindex, UINT32_MAX),
	U16(port_ready.mtu, 0, UINT16_MAX),
	BYTES(port_ready.mac),
	TEXT(port_ready.what),
	END,
};
static const struct field port_give_fields[] = {
	ID(port_give.port),
	U8(port_give.kind, MSG_PORT_WAN, MSG_PORT_OVERLAY),
	NAME(port_give.ifname),
	VLAN(port_give.vlan),
	U16(port_give.outer_type, 0, UINT16_MAX),
	VLAN(port_give.outer_vlan),
	U16(port_give.mtu, 0, UINT16_MAX),
	BYTES(port_give.mac),
	U16(port_give.eapol_type, 0, UINT16_MAX),
	FLAG(port_give.integrity),
	FLAG(port_give.clear),
	U16(port_give.over, 0, UINT16_MAX),
	FLAG(port_give.link),
	FLAG(port_give.xdp),
	{.form = FORM_RULES, .at = offsetof(struct msg, port_give.rules)},
	END,
};
static const struct field port_link_fields[] = {ID(port_link.port), FLAG(port_link.link), END};
static const struct field port_io_fields[] = {ID(port_io.port), FLAG(port_io.xdp),
					      TEXT(port_io.what), END};
static const struct field xsk_fields[] = {
	ID(xsk.port),
	U16(xsk.queue, 0, UINT16_MAX),
	U16(xsk.error, 0, UINT16_MAX),
	FLAG(xsk.zerocopy),
	END,
};
static const struct field port_id_fields[] = {ID(port_drop), END};
static const struct field secy_add_fields[] = {
	ID(secy_add.secy),
	ID(secy_add.overlay),
	ID(secy_add.wan),
	U64(secy_add.sci),
	U32(secy_add.window, UINT32_MAX),
	FLAG(secy_add.send_sci),
	FLAG(secy_add.replay_protect),
	U16(secy_add.report_ms, 0, UINT16_MAX),
	U8(secy_add.validate, 0, 2),
	FLAG(secy_add.should_secure),
	NAME(secy_add.name),
	END,
};
static const struct field secy_id_fields[] = {ID(secy), END};
static const struct field bridge_fields[] = {
	ID(bridge.secy),
	U8(bridge.mode, MSG_BRIDGE_NONE, MSG_BRIDGE_LAN),
	FLAG(bridge.encapsulate),
	FLAG(bridge.hello),
	FLAG(bridge.strangers),
	U16(bridge.node, 0, UINT16_MAX),
	BYTES(bridge.site),
	U32(bridge.entries, 1u << 20),
	U32(bridge.per_place, 1u << 20),
	U32(bridge.ageing_s, 1u << 20),
	U32(bridge.flood, UINT32_MAX),
	BYTES(bridge.l2cp),
	END,
};
static const struct field sa_fields[] = {
	ID(sa.secy),
	U8(sa.an, 0, 3),
	U8(sa.suite, 0, 3),
	U8(sa.conf, 0, 3),
	U64(sa.sci),
	U32(sa.ssci, UINT32_MAX),
	BYTES(sa.salt),
	U64(sa.pn),
	U64(sa.pn_limit),
	BYTES(sa.key_id),
	{.form = FORM_SECRET, .at = offsetof(struct msg, sa.key)},
	END,
};
static const struct field sa_retire_fields[] = {
	ID(sa_retire.secy),
	U64(sa_retire.sci),
	BYTES(sa_retire.key_id),
	END,
};
static const struct field sa_report_fields[] = {
	ID(sa_report.secy),
	U8(sa_report.an, 0, 3),
	U8(sa_report.direction, 0, 1),
	FLAG(sa_report.installed),
	U64(sa_report.sci),
	U64(sa_report.pn),
	BYTES(sa_report.key_id),
	END,
};
static const struct field stats_fields[] = {
	ID(stats.secy),
	U64(stats.sci),
	INT(FORM_I8, stats.an, 0, 3),
	{.form = FORM_STATS, .at = offsetof(struct msg, stats)},
	END,
};

static const struct field tunnel_add_fields[] = {
	ID(tunnel_add.tunnel),
	ID(tunnel_add.overlay),
	ID(tunnel_add.wan),
	U16(tunnel_add.mtu, 576, UINT16_MAX),
	BYTES(tunnel_add.next_hop),
	BYTES(tunnel_add.peer),
	U8(tunnel_add.dscp, 0, UINT8_MAX),
	U8(tunnel_add.df, 0, 2),
	FLAG(tunnel_add.hold),
	BYTES(tunnel_add.inner4),
	BYTES(tunnel_add.inner6),
	NAME(tunnel_add.name),
	END,
};
#define SPI(m) INT(FORM_U32, m, 256, UINT32_MAX)
#define FIELD(form_, m)                                                                            \
	{                                                                                          \
		.form = (form_), .at = offsetof(struct msg, m)                                     \
	}
static const struct field esp_fields[] = {
	ID(esp.tunnel),
	U8(esp.suite, 0, 8),
	U8(esp.mode, 0, 1),
	FLAG(esp.esn),
	SPI(esp.spi),
	U32(esp.window, 1 << 16),
	FIELD(FORM_END, esp.local),
	FIELD(FORM_END, esp.remote),
	FIELD(FORM_TS, esp.ts_local),
	FIELD(FORM_TS, esp.ts_remote),
	U64(esp.seq),
	U64(esp.seq_limit),
	U64(esp.hard_at),
	FIELD(FORM_SECRET, esp.key),
	FIELD(FORM_SECRET, esp.auth),
	END,
};
static const struct field esp_retire_fields[] = {
	ID(esp_retire.tunnel),
	U8(esp_retire.direction, 0, 1),
	SPI(esp_retire.spi),
	END,
};
static const struct field esp_report_fields[] = {
	ID(esp_report.tunnel),
	U8(esp_report.direction, 0, 1),
	U8(esp_report.event, 0, 4),
	U32(esp_report.spi, UINT32_MAX),
	U64(esp_report.seq),
	U64(esp_report.packets),
	U64(esp_report.octets),
	FIELD(FORM_END, esp_report.remote),
	END,
};

static const struct field transit_want_fields[] = {U8(transit_want, MSG_CUT_OFF, MSG_CUT_ON), END};
static const struct field transit_fields[] = {FLAG(transit.open), TEXT(transit.what), END};

static const struct layout layouts[MSG_TYPE_COUNT] = {
	[MSG_PORT_WANT] = {"PORT_WANT", port_want_fields, FD_NONE},
	[MSG_ADDRESS_WANT] = {"ADDRESS_WANT", address_want_fields, FD_NONE},
	[MSG_ROUTE_WANT] = {"ROUTE_WANT", route_want_fields, FD_NONE},
	[MSG_WANT_DONE] = {"WANT_DONE", none_fields, FD_NONE},
	[MSG_WANT_AGAIN] = {"WANT_AGAIN", none_fields, FD_NONE},
	[MSG_FILE_OPEN] = {"FILE_OPEN", file_open_fields, FD_NONE},
	[MSG_RELOAD] = {"RELOAD", none_fields, FD_NONE},
	[MSG_CONFIG_TAKE] = {"CONFIG_TAKE", none_fields, FD_NONE},
	[MSG_PORT_READY] = {"PORT_READY", port_ready_fields, FD_MAY},
	[MSG_PORT_DHCP] = {"PORT_DHCP", port_id_fields, FD_MUST},
	[MSG_FILE] = {"FILE", file_fields, FD_MAY},
	[MSG_CONFIG] = {"CONFIG", file_fields, FD_MAY},
	[MSG_PORT_GIVE] = {"PORT_GIVE", port_give_fields, FD_MUST},
	[MSG_PORT_DROP] = {"PORT_DROP", port_id_fields, FD_NONE},
	[MSG_PORT_LINK] = {"PORT_LINK", port_link_fields, FD_NONE},
	[MSG_PORT_IO] = {"PORT_IO", port_io_fields, FD_NONE},
	[MSG_XSK] = {"XSK", xsk_fields, FD_MUST},
	[MSG_XSK_BOUND] = {"XSK_BOUND", xsk_fields, FD_NONE},
	[MSG_XSK_DROP] = {"XSK_DROP", port_id_fields, FD_NONE},
	[MSG_XSK_MAPPED] = {"XSK_MAPPED", xsk_fields, FD_NONE},
	[MSG_LINK] = {"LINK", none_fields, FD_MUST},
	[MSG_SECY_ADD] = {"SECY_ADD", secy_add_fields, FD_NONE},
	[MSG_SECY_DEL] = {"SECY_DEL", secy_id_fields, FD_NONE},
	[MSG_BRIDGE] = {"BRIDGE", bridge_fields, FD_NONE},
	[MSG_SA_RECEIVE] = {"SA_RECEIVE", sa_fields, FD_NONE},
	[MSG_SA_TRANSMIT] = {"SA_TRANSMIT", sa_fields, FD_NONE},
	[MSG_SA_RETIRE] = {"SA_RETIRE", sa_retire_fields, FD_NONE},
	[MSG_SYNC] = {"SYNC", none_fields, FD_NONE},
	[MSG_STATS_GET] = {"STATS_GET", secy_id_fields, FD_NONE},
	[MSG_SA_REPORT] = {"SA_REPORT", sa_report_fields, FD_NONE},
	[MSG_SYNC_DONE] = {"SYNC_DONE", none_fields, FD_NONE},
	[MSG_STATS] = {"STATS", stats_fields, FD_NONE},
	[MSG_STATS_DONE] = {"STATS_DONE", secy_id_fields, FD_NONE},
	[MSG_TUNNEL_ADD] = {"TUNNEL_ADD", tunnel_add_fields, FD_NONE},
	[MSG_TUNNEL_DEL] = {"TUNNEL_DEL", secy_id_fields, FD_NONE},
	[MSG_ESP_RECEIVE] = {"ESP_RECEIVE", esp_fields, FD_NONE},
	[MSG_ESP_TRANSMIT] = {"ESP_TRANSMIT", esp_fields, FD_NONE},
	[MSG_ESP_RETIRE] = {"ESP_RETIRE", esp_retire_fields, FD_NONE},
	[MSG_ESP_REPORT] = {"ESP_REPORT", esp_report_fields, FD_NONE},
	[MSG_NEIGHBOUR_WANT] = {"NEIGHBOUR_WANT", neighbour_want_fields, FD_NONE},
	[MSG_KEY_WANT] = {"KEY_WANT", key_want_fields, FD_NONE},
	[MSG_KEY_GIVE] = {"KEY_GIVE", key_give_fields, FD_MAY},
	[MSG_SIGNER_LINK] = {"SIGNER_LINK", none_fields, FD_MUST},
	[MSG_SIGN] = {"SIGN", sign_fields, FD_NONE},
	[MSG_KEY_HELD] = {"KEY_HELD", key_held_fields, FD_NONE},
	[MSG_SIGNED] = {"SIGNED", sign_done_fields, FD_NONE},
	[MSG_PORT_UDP] = {"PORT_UDP", port_udp_fields, FD_MUST},
	[MSG_TRANSIT_WANT] = {"TRANSIT_WANT", transit_want_fields, FD_NONE},
	[MSG_TRANSIT] = {"TRANSIT", transit_fields, FD_NONE},
	[MSG_NEIGHBOUR_PROBE] = {"NEIGHBOUR_PROBE", neighbour_probe_fields, FD_NONE},
};

static const struct layout *layout_of(unsigned type)
{
	return type && type < MSG_TYPE_COUNT ? &layouts[type] : NULL;
}

bool msg_rules_same(const struct msg_rules *a, const struct msg_rules *b)
{
	return a->count == b->count && a->count <= RULES_MAX &&
	       memcmp(a->v, b->v, a->count * sizeof(a->v[0])) == 0;
}

const char *msg_type_name(enum msg_type type)
{
	const struct layout *l = layout_of((unsigned)type);

	return l ? l->name : "?";
}

static bool char_allowed(enum form form, uint8_t c, bool first)
{
	bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

	if (form == FORM_TEXT)
		return c >= ' ' && c <= '~';
	return word || (!first && (c == '.' || c == '_' || c == '-'));
}

/* What a NUL-padded string must look like; nothing may hide behind its end. */
static bool string_valid(enum form form, const char *s, size_t size)
{
	size_t n = strnlen(s, size);

	if (n == size || (form == FORM_NAME && !n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!char_allowed(form, (uint8_t)s[i], i == 0))
			return false;
	for (size_t i = n; i < size; i++)
		if (s[i])
			return false;
	return true;
}

static bool zero(const uint8_t *p, size_t n)
{
	while (n && !p[n - 1])
		n--;
	return !n;
}

static bool address_valid(uint8_t family, const uint8_t addr[16])
{
	return family == 6 || (family == 4 && zero(addr + 4, 12));
}

static bool prefix_valid(uint8_t family, uint8_t prefix)
{
	return family == 6 || (family == 4 && prefix <= 32);
}

/* One family without, UDP at both ends or at neither, and selectors for both sides. */
static bool esp_agrees(const struct msg_esp *e)
{
	return e->local.family && e->local.family == e->remote.family &&
	       !e->local.port == !e->remote.port && e->ts_local.count && e->ts_remote.count;
}

/* An outer tag has one of two TPIDs, and a tag in it. */
static bool tags_valid(uint16_t type, uint16_t outer, uint16_t vlan)
{
	return type ? (type == 0x8100 || type == 0x88a8) && outer && vlan : !outer;
}

/* Rules that take more than one field. */
static bool fields_agree(const struct msg *m)
{
	switch (m->type) {
	case MSG_PORT_WANT:
		return (m->port_want.kind == MSG_PORT_LAN ||
			(m->port_want.kind == MSG_PORT_OVERLAY) == (m->port_want.over != 0)) &&
		       tags_valid(m->port_want.outer_type, m->port_want.outer_vlan,
				  m->port_want.vlan);
	case MSG_PORT_GIVE:
		return tags_valid(m->port_give.outer_type, m->port_give.outer_vlan,
				  m->port_give.vlan);
	case MSG_ADDRESS_WANT:
		return prefix_valid(m->address_want.family, m->address_want.prefix);
	case MSG_ROUTE_WANT:
		return prefix_valid(m->route_want.family, m->route_want.prefix) &&
		       m->route_want.via_family != 5 &&
		       (m->route_want.family == 4 || m->route_want.via_family == 6);
	case MSG_NEIGHBOUR_WANT:
		return address_valid(m->neighbour_want.family, m->neighbour_want.addr);
	case MSG_NEIGHBOUR_PROBE:
		return address_valid(m->neighbour_probe.family, m->neighbour_probe.addr);
	case MSG_PORT_UDP:
		return m->port_udp.family != 5;
	case MSG_ESP_RECEIVE:
	case MSG_ESP_TRANSMIT:
		return esp_agrees(&m->esp);
	case MSG_KEY_HELD:
		return m->key_held.error ? !m->key_held.schemes && !m->key_held.public.len
					 : m->key_held.schemes && m->key_held.public.len;
	case MSG_SIGN:
		return m->sign.data.len > 0;
	case MSG_SIGNED:
		return (m->sign_done.error == 0) == (m->sign_done.signature.len > 0);
	default:
		return true;
	}
}

static bool integer_valid(const struct field *f, uint64_t v)
{
	return v >= f->min && v <= f->max;
}

static void build_secret(struct wr *w, const struct secret *s)
{
	if (s->len > SECRET_MAX) {
		w->bad = true;
		return;
	}
	wr_u8(w, s->len);
	wr_bytes(w, s->b, s->len);
}

static void build_rules(struct wr *w, const struct msg_rules *rules)
{
	if (rules->count > RULES_MAX) {
		w->bad = true;
		return;
	}
	wr_u8(w, rules->count);
	for (unsigned i = 0; i < rules->count; i++) {
		const struct rule *r = &rules->v[i];

		if (r->action >= RULE_ACTION_COUNT || r->tagged > 1 || r->vlan > 4094)
			w->bad = true;
		wr_u8(w, r->action);
		wr_u8(w, r->tagged);
		wr_u16(w, r->vlan);
		wr_u16(w, r->type);
		wr_bytes(w, r->dst, sizeof(r->dst));
		wr_bytes(w, r->mask, sizeof(r->mask));
	}
}

static void build_stats(struct wr *w, const struct msg_stats *st)
{
	if (st->count > STATS_MAX) {
		w->bad = true;
		return;
	}
	wr_u8(w, st->count);
	for (unsigned i = 0; i < st->count; i++) {
		if (!string_valid(FORM_TEXT, st->v[i].name, sizeof(st->v[i].name)))
			w->bad = true;
		wr_bytes(w, st->v[i].name, sizeof(st->v[i].name));
		wr_u64(w, st->v[i].value);
	}
}

static bool end_valid(const struct msg_end *e)
{
	return address_valid(e->family, e->addr) ||
	       (!e->family && zero(e->addr, sizeof(e->addr)) && !e->port);
}

static bool ts_valid(const struct msg_ts *ts)
{
	return address_valid(ts->family, ts->lo) && address_valid(ts->family, ts->hi) &&
	       memcmp(ts->lo, ts->hi, sizeof(ts->lo)) <= 0 && ts->port_lo <= ts->port_hi;
}

static void build_end(struct wr *w, const struct msg_end *e)
{
	if (!end_valid(e))
		w->bad = true;
	wr_u8(w, e->family);
	wr_bytes(w, e->addr, sizeof(e->addr));
	wr_u16(w, e->port);
}

static void build_selectors(struct wr *w, const struct msg_selectors *s)
{
	if (s->count > MSG_TS_MAX) {
		w->bad = true;
		return;
	}
	wr_u8(w, s->count);
	for (const struct msg_ts *ts = s->v; ts < s->v + s->count; ts++) {
		if (!ts_valid(ts))
			w->bad = true;
		wr_u8(w, ts->family);
		wr_u8(w, ts->protocol);
		wr_u16(w, ts->port_lo);
		wr_u16(w, ts->port_hi);
		wr_bytes(w, ts->lo, sizeof(ts->lo));
		wr_bytes(w, ts->hi, sizeof(ts->hi));
	}
}

static void build_blob(struct wr *w, const struct msg_blob *b)
{
	if (b->len > MSG_BLOB_MAX) {
		w->bad = true;
		return;
	}
	wr_u16(w, b->len);
	wr_bytes(w, b->b, b->len);
}

static void build_integer(struct wr *w, const struct field *f, const void *at)
{
	uint64_t v = 0;
	int8_t i8;

	switch (f->form) {
	case FORM_U8:
	case FORM_BOOL:
		v = *(const uint8_t *)at;
		wr_u8(w, (uint8_t)v);
		break;
	case FORM_I8:
		i8 = *(const int8_t *)at;
		v = i8 == -1 ? f->min : (uint64_t)i8;
		wr_u8(w, (uint8_t)i8);
		break;
	case FORM_U16:
		v = *(const uint16_t *)at;
		wr_u16(w, (uint16_t)v);
		break;
	case FORM_U32:
		v = *(const uint32_t *)at;
		wr_u32(w, (uint32_t)v);
		break;
	default:
		v = *(const uint64_t *)at;
		wr_u64(w, v);
		break;
	}
	if (!integer_valid(f, v))
		w->bad = true;
}

static void build_field(struct wr *w, const struct field *f, const struct msg *m)
{
	const uint8_t *at = (const uint8_t *)m + f->at;

	switch (f->form) {
	case FORM_BYTES:
		wr_bytes(w, at, f->size);
		break;
	case FORM_NAME:
	case FORM_TEXT:
		if (!string_valid(f->form, (const char *)at, f->size))
			w->bad = true;
		wr_bytes(w, at, f->size);
		break;
	case FORM_SECRET:
		build_secret(w, (const struct secret *)at);
		break;
	case FORM_RULES:
		build_rules(w, (const struct msg_rules *)at);
		break;
	case FORM_STATS:
		build_stats(w, (const struct msg_stats *)at);
		break;
	case FORM_END:
		build_end(w, (const struct msg_end *)at);
		break;
	case FORM_TS:
		build_selectors(w, (const struct msg_selectors *)at);
		break;
	case FORM_BLOB:
		build_blob(w, (const struct msg_blob *)at);
		break;
	default:
		build_integer(w, f, at);
	}
}

ssize_t msg_build(const struct msg *m, void *buf, size_t size)
{
	const struct layout *l = layout_of((unsigned)m->type);
	struct wr w = wr_init(buf, size);

	if (!l || !fields_agree(m))
		return -EMSGSIZE;
	wr_u16(&w, (uint16_t)m->type);
	wr_u16(&w, 0);
	wr_u32(&w, m->seq);
	for (const struct field *f = l->fields; f->form; f++)
		build_field(&w, f, m);
	return w.bad ? -EMSGSIZE : (ssize_t)wr_len(&w);
}

static void parse_secret(struct rd *r, struct secret *s)
{
	uint8_t n = rd_u8(r);

	if (n > SECRET_MAX) {
		r->bad = true;
		return;
	}
	rd_copy(r, s->b, n);
	s->len = n;
}

static void parse_rules(struct rd *r, struct msg_rules *rules)
{
	uint8_t n = rd_u8(r);

	if (n > RULES_MAX) {
		r->bad = true;
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		struct rule *e = &rules->v[i];

		e->action = rd_u8(r);
		e->tagged = rd_u8(r);
		e->vlan = rd_u16(r);
		e->type = rd_u16(r);
		rd_copy(r, e->dst, sizeof(e->dst));
		rd_copy(r, e->mask, sizeof(e->mask));
		if (e->action >= RULE_ACTION_COUNT || e->tagged > 1 || e->vlan > 4094)
			r->bad = true;
	}
	rules->count = n;
}

static void parse_stats(struct rd *r, struct msg_stats *st)
{
	uint8_t n = rd_u8(r);

	if (n > STATS_MAX) {
		r->bad = true;
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		rd_copy(r, st->v[i].name, sizeof(st->v[i].name));
		if (!string_valid(FORM_TEXT, st->v[i].name, sizeof(st->v[i].name)))
			r->bad = true;
		st->v[i].value = rd_u64(r);
	}
	st->count = n;
}

static void parse_end(struct rd *r, struct msg_end *e)
{
	e->family = rd_u8(r);
	rd_copy(r, e->addr, sizeof(e->addr));
	e->port = rd_u16(r);
	if (!end_valid(e))
		r->bad = true;
}

static void parse_selectors(struct rd *r, struct msg_selectors *s)
{
	uint8_t n = rd_u8(r);

	if (n > MSG_TS_MAX) {
		r->bad = true;
		return;
	}
	for (struct msg_ts *ts = s->v; ts < s->v + n; ts++) {
		ts->family = rd_u8(r);
		ts->protocol = rd_u8(r);
		ts->port_lo = rd_u16(r);
		ts->port_hi = rd_u16(r);
		rd_copy(r, ts->lo, sizeof(ts->lo));
		rd_copy(r, ts->hi, sizeof(ts->hi));
		if (!ts_valid(ts))
			r->bad = true;
	}
	s->count = n;
}

static void parse_blob(struct rd *r, struct msg_blob *b)
{
	uint16_t n = rd_u16(r);

	if (n > MSG_BLOB_MAX) {
		r->bad = true;
		return;
	}
	rd_copy(r, b->b, n);
	b->len = n;
}

static void parse_integer(struct rd *r, const struct field *f, void *at)
{
	uint64_t v;

	switch (f->form) {
	case FORM_U8:
		v = *(uint8_t *)at = rd_u8(r);
		break;
	case FORM_BOOL:
		v = rd_u8(r);
		*(bool *)at = v == 1;
		break;
	case FORM_I8:
		v = rd_u8(r);
		*(int8_t *)at = v == UINT8_MAX ? -1 : (int8_t)(v & INT8_MAX);
		v = v == UINT8_MAX ? f->min : v;
		break;
	case FORM_U16:
		v = *(uint16_t *)at = rd_u16(r);
		break;
	case FORM_U32:
		v = *(uint32_t *)at = rd_u32(r);
		break;
	default:
		v = *(uint64_t *)at = rd_u64(r);
		break;
	}
	if (!integer_valid(f, v))
		r->bad = true;
}

static void parse_field(struct rd *r, const struct field *f, struct msg *m)
{
	uint8_t *at = (uint8_t *)m + f->at;

	switch (f->form) {
	case FORM_BYTES:
		rd_copy(r, at, f->size);
		break;
	case FORM_NAME:
	case FORM_TEXT:
		rd_copy(r, at, f->size);
		if (!string_valid(f->form, (const char *)at, f->size))
			r->bad = true;
		break;
	case FORM_SECRET:
		parse_secret(r, (struct secret *)at);
		break;
	case FORM_RULES:
		parse_rules(r, (struct msg_rules *)at);
		break;
	case FORM_STATS:
		parse_stats(r, (struct msg_stats *)at);
		break;
	case FORM_END:
		parse_end(r, (struct msg_end *)at);
		break;
	case FORM_TS:
		parse_selectors(r, (struct msg_selectors *)at);
		break;
	case FORM_BLOB:
		parse_blob(r, (struct msg_blob *)at);
		break;
	default:
		parse_integer(r, f, at);
	}
}

int msg_parse(struct msg *m, const void *buf, size_t len)
{
	struct rd r = rd_init(buf, len);
	uint16_t type = rd_u16(&r), zero = rd_u16(&r);
	const struct layout *l = layout_of(type);

	memset(m, 0, sizeof(*m));
	m->seq = rd_u32(&r);
	if (!l || zero || len > MSG_MAX)
		return -EBADMSG;
	m->type = type;
	for (const struct field *f = l->fields; f->form; f++)
		parse_field(&r, f, m);
	if (rd_done(&r) && fields_agree(m))
		return 0;
	secret_wipe(m, sizeof(*m));
	return -EBADMSG;
}

/* Room for more descriptors than any message has, so that a surplus is seen and closed. */
union fd_room {
	struct cmsghdr head;
	uint8_t bytes[CMSG_SPACE(4 * sizeof(int))];
};

int msg_send(int sock, const struct msg *m, int fd)
{
	uint8_t buf[MSG_MAX];
	ssize_t n = msg_build(m, buf, sizeof(buf));
	struct iovec iov = {.iov_base = buf, .iov_len = n > 0 ? (size_t)n : 0};
	union fd_room room = {0};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	int err = 0;

	if (n < 0)
		return (int)n;
	if (fd >= 0) {
		struct cmsghdr *c;

		h.msg_control = room.bytes;
		h.msg_controllen = CMSG_SPACE(sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	if (sendmsg(sock, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		err = -errno;
	secret_wipe(buf, (size_t)n);
	return err;
}

/* Takes the descriptors out of a received header: the only one, or -1 with the surplus closed. */
static int take_fd(struct msghdr *h, bool *surplus)
{
	int got = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (got < 0) {
				got = fd;
			} else {
				*surplus = true;
				close(fd);
			}
		}
	}
	return got;
}

int msg_recv(int sock, struct msg *m, int *fd)
{
	uint8_t buf[MSG_MAX];
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
	union fd_room room;
	struct msghdr h = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof(room.bytes),
	};
	bool surplus = false;
	enum fd_rule rule;
	ssize_t n;
	int err;

	*fd = -1;
	n = recvmsg(sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0
		       : errno == ECONNRESET             ? -EPIPE
							 : -errno;
	if (n == 0 && !h.msg_controllen)
		return -EPIPE;
	*fd = take_fd(&h, &surplus);
	err = msg_parse(m, buf, (size_t)n);
	secret_wipe(buf, (size_t)n);
	if (!err) {
		rule = layout_of((unsigned)m->type)->fd;
		if (m->type == MSG_FILE || m->type == MSG_CONFIG)
			rule = m->file.error ? FD_NONE : FD_MUST;
		if (m->type == MSG_KEY_GIVE)
			rule = m->key_give.error ? FD_NONE : FD_MUST;
		if (surplus || (rule == FD_NONE && *fd >= 0) || (rule == FD_MUST && *fd < 0))
			err = -EBADMSG;
	}
	if (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		err = -EBADMSG;
	if (!err)
		return 1;
	secret_wipe(m, sizeof(*m));
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return -EBADMSG;
}
