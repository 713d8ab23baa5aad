/*
 * guard: what keeps a wan interface to ciphertext and a bridged lan port off the kernel's stack, in
 * the kernel. libbpf is used here, in xdp.c and in tag_map.c alone.
 *
 * Two tc programs (guard.bpf.c) at clsact ingress and egress of the interface, put there by
 * netlink before anything of ours uses it. They bind every sender of the kernel, not AF_XDP and
 * not a socket with PACKET_QDISC_BYPASS: for our own frames forward has a guard of its own, and
 * another root process is outside the model.
 *
 * They stay when the process ends, however it ends, an orderly stop included: a stop may be half
 * of an upgrade, and what routes the kernel has by then is nobody's to know, so the interface
 * stays shut until an operator says otherwise: `myelind --release-guards INTERFACE`, which is
 * `tc qdisc del dev INTERFACE clsact`. A parent that starts later puts its own programs in the
 * place of those it finds, in one step, without a gap.
 *
 * Parent thread only.
 */
#pragma once

#include "proc/guard_bpf.h"

#include <stdbool.h>
#include <stdint.h>

struct guard;

/* Loads the programs with these rules and puts them in place. NULL with errno on failure, in
 * which case nothing may use the interface. */
struct guard *guard_new(const char *ifname, unsigned ifindex, const struct guard_rule *rules,
			unsigned count);
/*
 * The programs of a bridge's lan port, or of the TAP behind it: what comes in goes to the other
 * one (index `to`) past the kernel's stack; the kernel keeps to the protocols of `peers` (1 << enum
 * l2cp). Like a wan's they stay: what was bridged is not routed because a process ended.
 */
struct guard *guard_new_bridge(const char *ifname, unsigned ifindex, unsigned to, uint32_t peers);
void guard_bridge_set(struct guard *g, unsigned to, uint32_t peers);
bool guard_is_bridge(const struct guard *g);
/* Takes a bridge's programs, if any are there, off an interface that is to be routed. */
void guard_unbridge(unsigned ifindex);
/* Frees the memory; the programs stay where they are. */
void guard_free(struct guard *g);

/* Puts other rules in the place of the present ones, one for each set of tags; those that stay as
 * they are let their frames pass meanwhile. 0 or -errno (E2BIG: more than GUARD_RULES), when some
 * may stand and what has none is dropped. */
int guard_rules_set(struct guard *g, const struct guard_rule *rules, unsigned count);

/* Looks whether both programs are still in place and puts back what is not. 0: all was well;
 * 1: something was put back; -errno: it could not be (EBUSY: an `ingress` qdisc of somebody's stands
 * there, which has no place for what goes out), and is not tried again within a second. */
int guard_check(struct guard *g);

/* How well an interface was guarded, by this process. Times of clock_now(). */
struct guard_record {
	uint64_t since;    /* its guards are in place from here on, but for the gaps */
	uint64_t seen;     /* both were seen in place here last */
	bool missing;      /* one is not since, and could not be put back */
	uint64_t restored; /* programs that were put back */
	uint64_t gaps;     /* times in which one was missing, or both */
	uint64_t gap_ns;   /* all of them together, and the longest: at most, for they count from */
	uint64_t longest_ns;       /* when both had last been seen in place */
	uint64_t last_at, last_ns; /* the latest gap: when it ended, and its length */
};

uint64_t guard_count(const struct guard *g, enum guard_direction d, enum guard_class c);
/* Dropped frames by what they were, an enum guard_class or guard_kind. A bridge's are not told apart. */
uint64_t guard_dropped(const struct guard *g, enum guard_direction d, unsigned kind);
const struct guard_record *guard_record(const struct guard *g);
/* Nanoseconds of this record's in which both were in place, as far as is known. */
uint64_t guard_guarded(const struct guard_record *r, uint64_t now);
const char *guard_class_name(unsigned kind); /* of both enums */

/* Takes the guards of an interface away, whoever put them there. 0 or -errno. */
int guard_release(const char *ifname);
