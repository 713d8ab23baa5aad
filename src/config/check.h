/* check: what the files of the semantic checks share. */
#pragma once

#include "config/model.h"

struct check {
	const struct conf_tree *t;
	const struct backbone *b;
	struct errlist *errs, *warns;
};

/* Where the child so named stands, or else its parent. */
struct where check_at(const struct check *c, const struct conf_node *parent, const char *child);
/* True when an error was told of a child so named, so that nothing can be said of it. */
bool check_bad(const struct conf_node *parent, const char *child);

void check_sites(const struct check *c);
void check_services(const struct check *c);
void check_nodes(const struct check *c);
void check_peers(const struct check *c);
void check_key_groups(const struct check *c);
void check_overlays(const struct check *c);
/* Of one overlay: who is in it, with which addresses. */
void check_members(const struct check *c, const struct conf_node *n, const struct bb_overlay *o);
/* Of one overlay of design ipsec: its keys, its ends, and which of its members meet. */
void check_ipsec(const struct check *c, const struct conf_node *n, const struct bb_overlay *o);
/* Of one overlay of design group: its rules. */
void check_group(const struct check *c, const struct conf_node *n, const struct bb_overlay *o);
/* Warnings about one overlay. */
void check_warn(const struct check *c, const struct conf_node *n, const struct bb_overlay *o);
/* And about one node. */
void check_warn_node(const struct check *c, const struct conf_node *n, const struct bb_node *node);
/* Members that bridge into it; those that do not have an interface. */
size_t check_bridged(const struct bb_overlay *o);
