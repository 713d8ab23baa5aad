/* tag_map: a BPF hash of rules by tags in clear, and which tags it has. Private to src/proc. */
#pragma once

#include "proc/guard_bpf.h"

#include <stddef.h>

struct tag_map {
	struct guard_tags placed[GUARD_RULES];
	unsigned count;
};

/* Which rules there are to be: `count` of them, `size` bytes each, that begin with their tags; what
 * the map holds of one stands `value` bytes behind its beginning. */
struct tag_rules {
	const void *v;
	size_t size, value;
	unsigned count;
};

/*
 * The map (of descriptor fd) has these rules and no others: first out with what is no more, then each
 * rule in one step, so that a frame between the two meets the old rule or the new one. 0 or -errno
 * (E2BIG: more than GUARD_RULES), when some may stand.
 */
int tag_map_set(struct tag_map *m, int fd, const struct tag_rules *rules);
