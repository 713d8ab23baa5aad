#include "proc/tag_map.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <bpf/bpf.h>

static const struct guard_tags *tags_of(const struct tag_rules *rules, unsigned i)
{
	return (const void *)((const char *)rules->v + i * rules->size);
}

static bool listed(const struct tag_rules *rules, const struct guard_tags *tags)
{
	for (unsigned i = 0; i < rules->count; i++)
		if (memcmp(tags_of(rules, i), tags, sizeof(*tags)) == 0)
			return true;
	return false;
}

static bool placed(const struct tag_map *m, const struct guard_tags *tags)
{
	for (unsigned i = 0; i < m->count; i++)
		if (memcmp(&m->placed[i], tags, sizeof(*tags)) == 0)
			return true;
	return false;
}

int tag_map_set(struct tag_map *m, int fd, const struct tag_rules *rules)
{
	int err = 0;

	if (rules->count > GUARD_RULES)
		return -E2BIG;
	for (unsigned i = 0; i < m->count && !err;) {
		if (listed(rules, &m->placed[i])) {
			i++;
			continue;
		}
		err = bpf_map_delete_elem(fd, &m->placed[i]) < 0 ? -errno : 0;
		if (!err)
			m->placed[i] = m->placed[--m->count];
	}
	for (unsigned i = 0; i < rules->count && !err; i++) {
		const struct guard_tags *tags = tags_of(rules, i);
		const void *value = (const char *)(const void *)tags + rules->value;

		err = bpf_map_update_elem(fd, tags, value, BPF_ANY) < 0 ? -errno : 0;
		if (!err && !placed(m, tags))
			m->placed[m->count++] = *tags;
	}
	return err;
}
