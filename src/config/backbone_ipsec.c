/*
 * backbone_ipsec: what overlays of design ipsec have of their own, and the boxes that are not ours
 * with their identities (RFC 7296 §3.5).
 */
#include "config/model.h"
#include "wire/dn.h"
#include "wire/ike.h"

#include <stdlib.h>
#include <string.h>

static uint64_t duration_of(const struct conf_tree *t, const struct conf_node *n, const char *leaf)
{
	const char *text = tree_leaf(t, n, leaf);
	uint64_t ns = 0;

	if (text)
		value_duration(text, &ns);
	return ns;
}

static void make_ike(struct backbone *b, const struct conf_tree *t, const struct conf_node *overlay,
		     struct bb_ipsec *s)
{
	/* Without an `ike` statement the defaults hold all the same. */
	const struct conf_node none = {.schema = yang_child(t->model, overlay->schema, "ike", 3)};
	const struct conf_node *n = tree_child(t, overlay, "ike");

	if (!n)
		n = &none;
	s->ike_rekey_ns = duration_of(t, n, "rekey");
	s->ike_reauth_ns = duration_of(t, n, "reauthenticate");
	s->dpd_ns = duration_of(t, n, "dead-peer-detection");
	s->ppk = backbone_text(b, tree_leaf(t, n, "ppk"));
	s->on_demand = tree_child(t, n, "on-demand") != NULL;
	s->ppk_required = tree_child(t, n, "ppk-required") != NULL;
	for (const struct conf_node *d = tree_child(t, n, "debug"); d; d = tree_same(d))
		s->key_log |= strcmp(d->value, "key-log") == 0;
}

static void make_esp(const struct conf_tree *t, const struct conf_node *overlay, struct bb_ipsec *s)
{
	/* In the order of enum bb_df. */
	static const char *const dfs[] = {"copy", "set", "clear", NULL};
	const struct conf_node none = {.schema = yang_child(t->model, overlay->schema, "esp", 3)};
	const struct conf_node *n = tree_child(t, overlay, "esp");
	const char *word;

	if (!n)
		n = &none;
	s->child_rekey_ns = duration_of(t, n, "rekey");
	word = tree_leaf(t, n, "pfs");
	s->pfs = word && strcmp(word, "true") == 0;
	word = tree_leaf(t, n, "replay-window");
	s->window = word ? (uint32_t)strtoul(word, NULL, 10) : 0;
	s->encap = tree_child(t, n, "encapsulate") != NULL;
	word = tree_leaf(t, n, "dscp");
	s->dscp = word && strcmp(word, "copy") != 0 ? (uint8_t)strtoul(word, NULL, 10) : UINT8_MAX;
	s->df = (enum bb_df)backbone_pick(tree_leaf(t, n, "df"), dfs);
}

void backbone_ipsec(struct backbone *b, const struct conf_tree *t, const struct conf_node *n,
		    struct bb_overlay *o)
{
	const struct conf_node *auth = tree_child(t, n, "auth");
	const char *proposal = tree_leaf(t, n, "proposal");

	o->ca = auth ? backbone_text(b, tree_leaf(t, auth, "ca")) : NULL;
	o->auth = o->ca ? BB_AUTH_CA : o->psk ? BB_AUTH_PSK : BB_AUTH_NONE;
	o->ipsec.compatible = proposal && strcmp(proposal, "compatible") == 0;
	make_ike(b, t, n, &o->ipsec);
	make_esp(t, n, &o->ipsec);
}

/* Bytes in hexadecimal; their number, 0 when it is none or too long. */
static uint16_t hex_bytes(const char *text, uint8_t *out, size_t size)
{
	size_t n = strlen(text);

	if (!n || n % 2 || n / 2 > size || strspn(text, "0123456789abcdefABCDEF") != n)
		return 0;
	for (size_t i = 0; i < n / 2; i++) {
		const char pair[] = {text[2 * i], text[2 * i + 1], 0};

		out[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return (uint16_t)(n / 2);
}

/* A name of the DNS: labels of letters, digits and hyphens. */
static bool is_fqdn(const char *text)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

	for (;;) {
		size_t n = strspn(text, letters);

		if (!n || n > 63 || *text == '-' || text[n - 1] == '-')
			return false;
		if (!text[n])
			return true;
		if (text[n] != '.')
			return false;
		text += n + 1;
	}
}

static bool is_email(const char *text)
{
	const char *at = strrchr(text, '@');

	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c > '~')
			return false;
	return at && at > text && is_fqdn(at + 1);
}

static uint16_t text_bytes(const char *text, uint8_t *out, size_t size)
{
	uint16_t n = 0;

	for (; text[n] && n < size; n++)
		out[n] = (uint8_t)text[n];
	return text[n] ? 0 : n;
}

static bool address_identity(const char *text, uint8_t family, struct bb_identity *id)
{
	struct bb_prefix a;

	if (strchr(text, '/') || !value_prefix(text, &a) || (family && a.family != family))
		return false;
	id->type = a.family == 6 ? IKE_ID_IPV6 : IKE_ID_IPV4;
	id->len = a.family == 6 ? 16 : 4;
	memcpy(id->b, a.addr, id->len);
	return true;
}

bool value_identity(const char *text, struct bb_identity *id)
{
	static const struct {
		const char *word;
		uint8_t type;
	} kinds[] = {{"fqdn:", IKE_ID_FQDN}, {"email:", IKE_ID_RFC822}, {"ipv4:", IKE_ID_IPV4},
		     {"ipv6:", IKE_ID_IPV6}, {"dn:", IKE_ID_DN},        {"key-id:", IKE_ID_KEY}};
	const char *value = NULL;

	*id = (struct bb_identity){0};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && !value; i++) {
		size_t n = strlen(kinds[i].word);

		if (strncmp(text, kinds[i].word, n) == 0) {
			id->type = kinds[i].type;
			value = text + n;
		}
	}
	switch (id->type) {
	case 0:
		return address_identity(text, 0, id);
	case IKE_ID_IPV4:
		return address_identity(value, 4, id);
	case IKE_ID_IPV6:
		return address_identity(value, 6, id);
	case IKE_ID_FQDN:
		id->len = is_fqdn(value) ? text_bytes(value, id->b, sizeof(id->b)) : 0;
		break;
	case IKE_ID_RFC822:
		id->len = is_email(value) ? text_bytes(value, id->b, sizeof(id->b)) : 0;
		break;
	case IKE_ID_DN:
		id->len = (uint16_t)dn_build(value, id->b, sizeof(id->b));
		break;
	default:
		id->len = hex_bytes(value, id->b, sizeof(id->b));
	}
	return id->len > 0;
}

void backbone_peer(struct backbone *b, const struct conf_tree *t, const struct conf_node *n,
		   struct bb_peer *p)
{
	const char *identity = tree_leaf(t, n, "identity");

	p->name = backbone_text(b, n->value);
	p->site = backbone_site_of(b, t, tree_leaf(t, n, "site"));
	p->service = backbone_service_of(b, t, tree_leaf(t, n, "service"));
	p->addresses = backbone_prefixes(b, t, n, "address", &p->address_count);
	if (!identity || !value_identity(identity, &p->identity))
		p->identity.type = 0;
}
