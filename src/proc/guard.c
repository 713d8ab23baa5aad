#include "proc/guard.h"

#include "base/clock.h"
#include "base/log.h"
#include "proc/tag_map.h"

#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "guard.skel.h"
#pragma GCC diagnostic pop

/* Ours is the first filter of the hook: an earlier one could accept a frame before we see it. */
#define GUARD_PRIORITY 1
#define GUARD_HANDLE 1
#define RETRY_NS NS_PER_S /* between attempts to put back what did not stay */

struct guard {
	struct guard_skel *skel;
	unsigned ifindex;
	bool bridge; /* a lan port's or its TAP's programs, not a wan's */
	uint32_t prog_id[GUARD_DIRECTIONS];
	struct guard_record record;
	uint64_t retry_at; /* clock_now(): what did not stay is not tried before it; 0: it did */
	char ifname[16];
	struct tag_map rules;
};

static int print_quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char line[512];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	log_debug("libbpf: %s", line);
	return 0;
}

static enum bpf_tc_attach_point attach_point(unsigned direction)
{
	return direction == GUARD_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

static int prog_fd(const struct guard *g, unsigned direction)
{
	if (g->bridge)
		return bpf_program__fd(direction == GUARD_INGRESS ? g->skel->progs.bridge_ingress
								  : g->skel->progs.bridge_egress);
	return bpf_program__fd(direction == GUARD_INGRESS ? g->skel->progs.guard_ingress
							  : g->skel->progs.guard_egress);
}

static int prog_id_get(int fd, uint32_t *id)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &len);

	*id = info.id;
	return err;
}

static int guard_attach(struct guard *g, unsigned direction)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)g->ifindex,
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = GUARD_HANDLE, .priority = GUARD_PRIORITY,
			    .prog_fd = prog_fd(g, direction), .flags = BPF_TC_F_REPLACE);
	int err = bpf_tc_hook_create(&hook);

	if (err && err != -EEXIST)
		return err;
	hook.attach_point = attach_point(direction);
	return bpf_tc_attach(&hook, &opts);
}

/* Whether our program, and no other, is the filter at our place. */
static bool guard_attached(const struct guard *g, unsigned direction)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)g->ifindex,
			    .attach_point = attach_point(direction));
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = GUARD_HANDLE, .priority = GUARD_PRIORITY);

	return !bpf_tc_query(&hook, &opts) && opts.prog_id == g->prog_id[direction];
}

_Static_assert(!offsetof(struct guard_rule, tags), "as struct tag_rules has it");

int guard_rules_set(struct guard *g, const struct guard_rule *rules, unsigned count)
{
	return tag_map_set(&g->rules, bpf_map__fd(g->skel->maps.guard_rules),
			   &(struct tag_rules){.v = rules, .size = sizeof(*rules), .count = count});
}

/* The programs, not in place yet. NULL with errno. */
static struct guard *guard_load(const char *ifname, unsigned ifindex, bool bridge)
{
	struct guard *g = calloc(1, sizeof(*g));
	int err;

	libbpf_set_print(print_quiet);
	if (!g)
		return NULL;
	g->ifindex = ifindex;
	g->bridge = bridge;
	memccpy(g->ifname, ifname, 0, sizeof(g->ifname) - 1);
	g->skel = guard_skel__open_and_load();
	if (g->skel)
		return g;
	err = errno;
	guard_free(g);
	errno = err;
	return NULL;
}

/* With an `ingress` qdisc on the interface in the place of clsact both programs go to the one hook
 * that it has, where the later one replaces the former. */
static bool guard_both_attached(const struct guard *g)
{
	return guard_attached(g, GUARD_INGRESS) && guard_attached(g, GUARD_EGRESS);
}

/* Puts both in place, or frees the guard and returns NULL with errno. */
static struct guard *guard_place(struct guard *g)
{
	int err = 0;

	for (unsigned d = 0; d < GUARD_DIRECTIONS && !err; d++) {
		err = prog_id_get(prog_fd(g, d), &g->prog_id[d]);
		if (!err)
			err = guard_attach(g, d);
	}
	if (!err && !guard_both_attached(g))
		err = -EBUSY;
	g->record.since = g->record.seen = clock_now();
	if (!err)
		return g;
	guard_free(g);
	errno = -err;
	return NULL;
}

struct guard *guard_new(const char *ifname, unsigned ifindex, const struct guard_rule *rules,
			unsigned count)
{
	struct guard *g = guard_load(ifname, ifindex, false);
	int err = g ? guard_rules_set(g, rules, count) : 0;

	if (!g || !err)
		return g ? guard_place(g) : NULL;
	guard_free(g);
	errno = -err;
	return NULL;
}

struct guard *guard_new_bridge(const char *ifname, unsigned ifindex, unsigned to, uint32_t peers)
{
	struct guard *g = guard_load(ifname, ifindex, true);

	if (!g)
		return NULL;
	guard_bridge_set(g, to, peers);
	return guard_place(g);
}

void guard_bridge_set(struct guard *g, unsigned to, uint32_t peers)
{
	g->skel->bss->bridge_to = to;
	g->skel->bss->bridge_peers = peers;
}

bool guard_is_bridge(const struct guard *g)
{
	return g->bridge;
}

/* The filter at our place is one of a bridge's programs, of whatever process. */
static bool is_bridge_program(const struct bpf_tc_opts *opts)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(opts->prog_id), err;

	if (fd < 0)
		return false;
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	return !err && strncmp(info.name, "bridge_", 7) == 0;
}

void guard_unbridge(unsigned ifindex)
{
	for (unsigned d = 0; d < GUARD_DIRECTIONS; d++) {
		DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
				    .attach_point = attach_point(d));
		DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = GUARD_HANDLE,
				    .priority = GUARD_PRIORITY);

		libbpf_set_print(print_quiet);
		if (bpf_tc_query(&hook, &opts) || !is_bridge_program(&opts))
			continue;
		opts.flags = opts.prog_id = 0;
		opts.prog_fd = 0;
		(void)bpf_tc_detach(&hook, &opts);
	}
}

void guard_free(struct guard *g)
{
	if (!g)
		return;
	guard_skel__destroy(g->skel);
	free(g);
}

/* Both are in place again, after what may have been a gap as long as they had not been seen. */
static void gap_end(struct guard *g, uint64_t now)
{
	struct guard_record *r = &g->record;

	r->last_at = now;
	r->last_ns = now - r->seen;
	r->gaps++;
	r->gap_ns += r->last_ns;
	if (r->last_ns > r->longest_ns)
		r->longest_ns = r->last_ns;
	log_warn("%s: was without its guards, or one of them, for %llu ms at most", g->ifname,
		 (unsigned long long)(r->last_ns / NS_PER_MS));
}

int guard_check(struct guard *g)
{
	uint64_t now = clock_now();
	int ret = 0;

	/* Each attempt is news of the kernel's itself, upon which one comes here again. */
	if (now < g->retry_at)
		return -EBUSY;
	for (unsigned d = 0; d < GUARD_DIRECTIONS; d++) {
		int err;

		if (guard_attached(g, d))
			continue;
		g->record.missing = true;
		err = guard_attach(g, d);
		if (err) {
			ret = err;
			continue;
		}
		g->record.restored++;
		log_warn("%s: the %s guard was taken away; put it back", g->ifname,
			 d == GUARD_INGRESS ? "ingress" : "egress");
		if (!ret)
			ret = 1;
	}
	if (ret > 0 && !guard_both_attached(g))
		ret = -EBUSY;
	g->retry_at = ret < 0 ? now + RETRY_NS : 0;
	if (ret >= 0) {
		now = clock_now();
		if (g->record.missing)
			gap_end(g, now);
		g->record.missing = false;
		g->record.seen = now;
	}
	return ret;
}

uint64_t guard_count(const struct guard *g, enum guard_direction d, enum guard_class c)
{
	return __atomic_load_n(&g->skel->bss->guard_counts[d][c], __ATOMIC_RELAXED);
}

uint64_t guard_dropped(const struct guard *g, enum guard_direction d, unsigned kind)
{
	return __atomic_load_n(&g->skel->bss->guard_drops[d][kind], __ATOMIC_RELAXED);
}

const struct guard_record *guard_record(const struct guard *g)
{
	return &g->record;
}

uint64_t guard_guarded(const struct guard_record *r, uint64_t now)
{
	uint64_t until = r->missing ? r->seen : now;

	return until - r->since - r->gap_ns;
}

const char *guard_class_name(unsigned kind)
{
	static const char *const names[GUARD_KINDS] = {
		[GUARD_MACSEC] = "macsec",
		[GUARD_EAPOL] = "eapol",
		[GUARD_ARP_ND] = "arp-nd",
		[GUARD_DHCP] = "dhcp",
		[GUARD_BGP] = "bgp",
		[GUARD_LLDP] = "lldp",
		[GUARD_SSH] = "ssh",
		[GUARD_PING] = "ping",
		[GUARD_INTEGRITY] = "integrity",
		[GUARD_ESP] = "esp",
		[GUARD_IKE] = "ike",
		[GUARD_ICMP] = "icmp",
		[GUARD_BYPASSED] = "bypassed",
		[GUARD_BRIDGED] = "bridged",
		[GUARD_PEERED] = "peered",
		[GUARD_CLEAR] = "clear",
		[GUARD_DROPPED] = "dropped",
		[GUARD_NO_PORT] = "no-port",
		[GUARD_BAD_MACSEC] = "macsec-malformed",
		[GUARD_BAD_ESP] = "esp-malformed",
		[GUARD_BAD_IKE] = "ike-malformed",
		[GUARD_FRAGMENT] = "fragment",
		[GUARD_TRANSIT] = "transit",
		[GUARD_IPV4] = "ipv4",
		[GUARD_IPV6] = "ipv6",
		[GUARD_OTHER] = "other",
	};

	return kind < GUARD_KINDS ? names[kind] : "?";
}

int guard_release(const char *ifname)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err;

	libbpf_set_print(print_quiet);
	hook.ifindex = (int)if_nametoindex(ifname);
	if (!hook.ifindex)
		return -errno;
	err = bpf_tc_hook_destroy(&hook);
	return err == -ENOENT || err == -EINVAL ? 0 : err;
}
