/* openings: walks the tree as meant, so that a template's line is named where a node has it of one. */
#include "config/openings.h"
#include "config/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct find {
	const struct conf *c;
	struct openings *out;
	const char *node, *port, *overlay; /* of what is added next */
	int err;
};

static void add(struct find *f, const struct conf_node *at, const char *what, const char *detail,
		const char *means)
{
	struct opening *v = reallocarray(f->out->v, f->out->count + 1, sizeof(*v));

	if (!v) {
		f->err = -ENOMEM;
		return;
	}
	f->out->v = v;
	v += f->out->count++;
	*v = (struct opening){.means = means,
			      .node = f->node,
			      .port = f->port,
			      .overlay = f->overlay,
			      .file = conf_file(f->c, at->where.file),
			      .line = at->where.line};
	snprintf(v->what, sizeof(v->what), "%s%s", what, detail);
}

static const char *allow_means(const char *class)
{
	static const struct {
		const char *class, *means;
	} rows[] = {
		{"dhcp", "DHCP, DHCPv6 and router discovery between the carrier and this machine"},
		{"bgp",
		 "BGP between the carrier and this machine; who is at the other end is BGP's "
		 "to find out"},
		{"lldp", "LLDP, which tells the carrier what this machine is"},
		{"ssh", "SSH between the carrier's network and this machine, in either direction"},
		{"ping", "ping between the carrier's network and this machine"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strcmp(class, rows[i].class) == 0)
			return rows[i].means;
	return "";
}

static void find_port(struct find *f, const struct conf_tree *t, const struct conf_node *port)
{
	f->port = port->value;
	for (const struct conf_node *a = tree_child(t, port, "address"); a; a = tree_same(a))
		if (strcmp(a->value, "dhcp") == 0)
			add(f, a, "address dhcp", "",
			    "DHCP in clear: whoever answers first gives this port its address and "
			    "gateway");
	for (const struct conf_node *a = tree_child(t, port, "allow"); a; a = tree_same(a))
		add(f, a, "allow ", a->value, allow_means(a->value));
	f->port = NULL;
}

static void find_rules(struct find *f, const struct conf_tree *t, const struct conf_node *n,
		       const struct bb_overlay *o)
{
	for (size_t i = 0; i < o->rule_count; i++)
		if (o->rules[i].rule.action == RULE_BYPASS)
			add(f, tree_entry(t, n, "rule", o->rules[i].name), "bypass ",
			    o->rules[i].name,
			    "frames that the rule is for go in clear and are taken in clear: the "
			    "carrier can read and forge them");
}

static void find_macsec(struct find *f, const struct conf_tree *t, const struct conf_node *n,
			const struct bb_overlay *o)
{
	const struct conf_node *secy = tree_child(t, n, "macsec"), *mka = tree_child(t, n, "mka");
	const struct bb_macsec *m = &o->macsec;
	char text[24];

	if (m->validate != MACSEC_STRICT)
		add(f, tree_child(t, secy, "validate"), "validate ",
		    m->validate == MACSEC_CHECK ? "check" : "disabled",
		    "MACsec frames that are not encrypted and do not verify are let in: whoever can "
		    "send to the wan port can forge them");
	if (o->keying == BB_MKA && o->mka.keep_sak_ns) {
		snprintf(text, sizeof(text), "%llus",
			 (unsigned long long)(o->mka.keep_sak_ns / 1000000000));
		add(f, tree_child(t, mka, "keep-sak"), "keep-sak ", text,
		    "traffic goes on under an old key for so long although no peer answers");
	}
	find_rules(f, t, n, o);
	if (m->should_secure)
		add(f, tree_child(t, secy, "should-secure"), "should-secure", "",
		    "frames go in clear and are taken in clear while no key is in use; whoever holds "
		    "back MKPDUs can make it so");
	if (m->conf == MACSEC_CONF_NONE)
		add(f, tree_child(t, secy, "confidentiality"), "integrity-only", "",
		    "nothing is encrypted: the carrier can read every frame, but alter none");
	else if (macsec_confs[m->conf].clear)
		add(f, tree_child(t, secy, "confidentiality-offset"),
		    m->conf == MACSEC_CONF_30 ? "confidentiality-offset 30"
					      : "confidentiality-offset 50",
		    "",
		    "the carrier can read so many octets of every frame behind the SecTAG, but alter "
		    "none");
	if (!m->replay_protect)
		add(f, tree_child(t, secy, "replay-protect"), "replay-protect false", "",
		    "frames that were recorded are taken again");
}

static void find_overlay(struct find *f, const struct conf_tree *t, const struct conf_node *n,
			 const struct bb_overlay *o)
{
	f->overlay = n->value;
	if (o->design == BB_MACSEC)
		find_macsec(f, t, n, o);
	if (o->design == BB_IPSEC && o->ipsec.key_log)
		add(f, tree_child(t, tree_child(t, n, "ike"), "debug"), "key-log", "",
		    "every key is kept for Wireshark: whoever reads them reads the traffic, also what "
		    "was recorded");
	f->overlay = NULL;
}

static bool is_member(const struct bb_overlay *o, const char *node)
{
	for (size_t i = 0; i < o->member_count; i++)
		if (o->members[i].node && strcmp(o->members[i].node->name, node) == 0)
			return true;
	return false;
}

int openings_find(const struct conf *c, const struct backbone *b, const char *node,
		  struct openings *out)
{
	const struct conf_tree *t = c->meant;
	struct find f = {.c = c, .out = out};

	*out = (struct openings){0};
	for (const struct conf_node *n = tree_child(t, NULL, "node"); n; n = tree_same(n)) {
		f.node = n->value;
		for (const struct conf_node *p = tree_child(t, n, "port"); p; p = tree_same(p))
			if ((!node || strcmp(node, n->value) == 0) && tree_child(t, p, "service"))
				find_port(&f, t, p);
	}
	f.node = NULL;
	for (const struct conf_node *n = tree_child(t, NULL, "overlay"); n; n = tree_same(n)) {
		const struct bb_overlay *o = NULL;

		for (size_t i = 0; i < b->overlay_count && !o; i++)
			if (strcmp(b->overlays[i].name, n->value) == 0)
				o = &b->overlays[i];
		if (o && !o->unsupported && (!node || is_member(o, node)))
			find_overlay(&f, t, n, o);
	}
	if (f.err)
		openings_free(out);
	return f.err;
}

void openings_free(struct openings *o)
{
	free(o->v);
	*o = (struct openings){0};
}
