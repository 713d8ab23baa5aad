/*
 * backbone_ipsec: what overlays of design ipsec have of their own, the boxes that are not ours
 * with their identities (RFC 7296 §3.5), and between which addresses two members' tunnel runs.
 */
#include "config/model.h"
#include "wire/ike.h"

#include <arpa/inet.h>
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
