/*
 * model: what the folder's files share of a file that was read: the tree as written, the tree as
 * meant (templates merged into nodes), the model both follow, and the checks' internals.
 */
#pragma once

#include "config/backbone.h"
#include "config/tree.h"

struct conf {
	const struct yang_model *model;
	struct yang_model *own_model; /* of a test; else the process's */
	struct conf_tree *tree;       /* as written */
	struct conf_tree *meant;      /* templates merged */
	struct conf_errors warnings;
	char **files; /* by the index that a node's `where` has */
	size_t file_count;
};

/* The file a node stands in. */
const char *conf_file(const struct conf *c, uint32_t index);

/* The model built into the program, parsed on first use. NULL only without memory. */
const struct yang_model *conf_model(void);
extern const char conf_yang[]; /* its text */
/* conf_read() under another model, which conf takes over. For tests of the model's reach. */
struct conf *conf_read_with(struct yang_model *model, const char *name, const char *text,
			    size_t len, struct conf_errors *errs);

/* A name or value as a file has it, in quotes where it needs them. */
void print_word(const char *s, FILE *out);
/* The tree with `like` resolved: what a node says wins, lists of values add up, ports merge. */
struct conf_tree *expand_templates(const struct conf_tree *t);
/* References, mandatory statements, numbers of elements, and the model's rules. */
void rules_check(struct conf_tree *t, struct errlist *errs);

/* As backbone_new(), of a tree that may lack things: those are NULL or 0. */
struct backbone *backbone_of(const struct conf_tree *t);
/* What the model cannot say; tolerates a tree with errors. warns: not wrong, worth knowing. */
void semantics_check(const struct conf_tree *t, struct errlist *errs, struct errlist *warns);

/* Values as numbers. False when the text is none. */
bool value_prefix(const char *text, struct bb_prefix *p); /* with or without /len */
bool value_duration(const char *text, uint64_t *ns);
bool value_mac(const char *text, uint8_t mac[6]);
uint32_t value_ppm(const char *text);  /* of a percentage */
uint64_t value_rate(const char *text); /* bit/s; 0 of NULL and of what is no rate */
bool value_identity(const char *text, struct bb_identity *id);
/* p lies in net. */
bool value_within(const struct bb_prefix *net, const struct bb_prefix *p);
/* The prefix without host bits. */
struct bb_prefix value_network(struct bb_prefix p);
/* The n-th address of net, with its length; false when net is too small. */
bool value_nth(const struct bb_prefix *net, uint32_t n, struct bb_prefix *p);
const char *value_show(const struct bb_prefix *p, bool with_len, char buf[64]);

/* The object made of a top-level list's entry, NULL when there is no good one of this name. */
const struct bb_site *backbone_site_of(const struct backbone *b, const struct conf_tree *t,
				       const char *name);
const struct bb_service *backbone_service_of(const struct backbone *b, const struct conf_tree *t,
					     const char *name);
const struct bb_node *backbone_node_of(const struct backbone *b, const struct conf_tree *t,
				       const char *name);
const struct bb_peer *backbone_peer_of(const struct backbone *b, const struct conf_tree *t,
				       const char *name);
/* Memory that goes with the backbone, zeroed. */
void *backbone_grab(struct backbone *b, size_t count, size_t size);
/* A copy that goes with the backbone; NULL of NULL. */
const char *backbone_text(struct backbone *b, const char *s);
/* The place of a word in a list that NULL ends, 0 of NULL and of one that is not there. */
int backbone_pick(const char *word, const char *const *words);
/* The prefixes of a leaf-list; what is none of these is left out. */
struct bb_prefix *backbone_prefixes(struct backbone *b, const struct conf_tree *t,
				    const struct conf_node *parent, const char *name,
				    size_t *count);
/* Fills p from the peer's entry (backbone_ipsec.c). */
void backbone_peer(struct backbone *b, const struct conf_tree *t, const struct conf_node *n,
		   struct bb_peer *p);
/* Fills o->auth, o->ca and o->ipsec from the overlay's entry (backbone_ipsec.c). */
void backbone_ipsec(struct backbone *b, const struct conf_tree *t, const struct conf_node *n,
		    struct bb_overlay *o);
/* backbone_overlay_mtu() of design ipsec: what every tunnel of it carries. */
uint16_t backbone_tunnels_mtu(const struct bb_overlay *o);
/* The node has this tag. */
bool backbone_tagged(const struct conf_tree *t, const struct bb_node *n, const char *tag);
/* Fills o->members from the overlay's entry (members.c). */
bool backbone_members(struct backbone *b, const struct conf_tree *t, const struct conf_node *n,
		      struct bb_overlay *o);
