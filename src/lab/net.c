/* net: the kernel's side of a lab, by `ip` and by setns(). See net.h. */
#include "lab/net.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NETNS_DIR "/run/netns"
#define TX_QUEUE 4000 /* frames a wan interface holds while the carrier serves another */

extern char **environ;

/* Runs `ip [-n NETNS] -batch -` over the text. 0 or -errno. */
static int ip_batch(const char *netns, const char *text)
{
	char *argv[] = {(char *)"ip",     (char *)"-n", (char *)(uintptr_t)netns,
			(char *)"-batch", (char *)"-",  NULL};
	char *plain[] = {(char *)"ip", (char *)"-batch", (char *)"-", NULL};
	posix_spawn_file_actions_t fa;
	int fd = memfd_create("ip", MFD_CLOEXEC), status = 0, err;
	size_t len = strlen(text);
	pid_t pid;

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0) {
		err = errno ? -errno : -EIO;
		goto out;
	}
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fd, 0);
	err = -posix_spawnp(&pid, "ip", &fa, NULL, netns ? argv : plain, environ);
	posix_spawn_file_actions_destroy(&fa);
	while (!err && waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			err = -errno;
	}
	if (!err && status)
		err = -EIO;
	if (err)
		log_error("ip%s%s: %s (package iproute2)", netns ? " in " : "", netns ? netns : "",
			  strerror(-err));
out:
	close(fd);
	return err;
}

static int home_fd = -1; /* the namespace the process began in */

int net_enter(const char *netns)
{
	char path[128];
	int fd, err = 0;

	if (home_fd < 0)
		home_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), NETNS_DIR "/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (home_fd < 0 || fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

void net_leave(void)
{
	if (home_fd >= 0 && setns(home_fd, CLONE_NEWNET) < 0) {
		log_error("cannot return to the first network namespace: %m");
		exit(1);
	}
}

int net_become(const char *netns)
{
	int err = net_enter(netns);

	if (err)
		return err;
	/* /sys shows the namespace it was mounted in; a private mount of it dies with us. */
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return -errno;
	umount2("/sys", MNT_DETACH);
	if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		log_debug("no /sys in %s: %m", netns);
	return 0;
}

static void setting(const char *path, const char *value)
{
	char full[128];
	int fd;

	snprintf(full, sizeof(full), "/proc/sys/net/%s", path);
	fd = open(full, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		log_warn("%s: %m", full);
	if (fd >= 0)
		close(fd);
}

/* Kernel settings of the namespace this thread is in, before any interface of it is up. */
static void settings_make(bool node)
{
	/* No minute of duplicate address detection in front of every IPv6 test. */
	setting("ipv6/conf/all/accept_dad", "0");
	setting("ipv6/conf/default/accept_dad", "0");
	setting("ipv6/conf/default/dad_transmits", "0");
	setting("ipv6/conf/default/accept_ra", "0");
	if (!node) {
		setting("ipv6/conf/default/router_solicitations", "0");
		return;
	}
	setting("ipv4/ip_forward", "1");
	setting("ipv6/conf/all/forwarding", "1");
	setting("ipv4/conf/all/rp_filter", "0");
	setting("ipv4/conf/default/rp_filter", "0");
}

/* Cables, addresses and default routes of one host and the near ends of its cables. */
static void host_print(const struct plan *p, size_t host, FILE *out)
{
	const struct plan_host *h = &p->hosts[host];
	bool bridge = h->cable_count > 1;
	unsigned n = 0;
	char a[46];

	fprintf(out, "link set lo up\n");
	if (bridge)
		fprintf(out, "link add eth0 type bridge\n");
	for (size_t i = 0; i < p->cable_count; i++) {
		const struct plan_cable *c = &p->cables[i];

		if (c->host != host)
			continue;
		fprintf(out, "link add %s%u type veth peer name %s netns %s\n",
			bridge ? "lan" : "eth", n, c->port->interface, c->node->netns);
		if (bridge)
			fprintf(out, "link set lan%u master eth0 up\n", n);
		n++;
	}
	fprintf(out, "link set eth0 up\n");
	for (size_t i = 0; i < h->address_count; i++) {
		fprintf(out, "address add %s/%u dev eth0%s\n", plan_address(&h->address[i], a),
			h->address[i].len, h->address[i].family == 6 ? " nodad" : "");
	}
	for (size_t i = 0; !h->bridge && i < h->address_count; i++)
		fprintf(out, "route replace default via %s\n", plan_address(&h->gateway[i], a));
}

static void node_print(const struct plan *p, const struct plan_node *n, FILE *out)
{
	fprintf(out, "link set lo up\n");
	/* The node's end is up from the start: its daemon only gives it addresses. */
	for (size_t i = 0; i < p->cable_count; i++) {
		if (p->cables[i].node == n)
			fprintf(out, "link set %s up\n", p->cables[i].port->interface);
	}
}

static void names_print(const struct plan *p, FILE *out)
{
	for (size_t i = 0; i < p->node_count; i++)
		fprintf(out, "netns add %s\n", p->nodes[i].netns);
	for (size_t i = 0; i < p->host_count; i++)
		fprintf(out, "netns add %s\n", p->hosts[i].netns);
}

/* The i-th namespace, hosts first, so that a node's cables are there when its turn comes. */
static int netns_make(const struct plan *p, size_t i)
{
	bool host = i < p->host_count;
	const struct plan_node *n = host ? NULL : &p->nodes[i - p->host_count];
	const char *netns = host ? p->hosts[i].netns : n->netns;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int err;

	if (!f)
		return -ENOMEM;
	if (host)
		host_print(p, i, f);
	else
		node_print(p, n, f);
	fclose(f);
	err = ip_batch(netns, text);
	free(text);
	return err;
}

/* Settings first in every namespace: an interface takes them on when it is made. */
static int settings_all(const struct plan *p)
{
	int err = 0;

	for (size_t i = 0; !err && i < p->node_count + p->host_count; i++) {
		bool node = i < p->node_count;

		err = net_enter(node ? p->nodes[i].netns : p->hosts[i - p->node_count].netns);
		if (!err)
			settings_make(node);
		net_leave();
	}
	return err;
}

int net_make(const struct plan *p)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int err;

	if (!f)
		return -ENOMEM;
	names_print(p, f);
	fclose(f);
	err = ip_batch(NULL, text);
	free(text);
	if (!err)
		err = settings_all(p);
	for (size_t i = 0; !err && i < p->host_count + p->node_count; i++)
		err = netns_make(p, i);
	return err;
}

static int tap_open(const struct plan_wire *w)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC), s = socket(AF_INET, SOCK_DGRAM, 0),
	    err = 0;

	memcpy(ifr.ifr_name, w->ifname, strnlen(w->ifname, sizeof(ifr.ifr_name) - 1));
	if (fd < 0 || s < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0) {
		err = -errno;
		goto out;
	}
	ifr.ifr_hwaddr.sa_family = 1; /* ARPHRD_ETHER */
	memcpy(ifr.ifr_hwaddr.sa_data, w->mac, 6);
	if (ioctl(s, SIOCSIFHWADDR, &ifr) < 0)
		err = -errno;
	ifr.ifr_mtu = w->mtu;
	if (!err && ioctl(s, SIOCSIFMTU, &ifr) < 0)
		err = -errno;
	ifr.ifr_qlen = TX_QUEUE;
	if (!err && ioctl(s, SIOCSIFTXQLEN, &ifr) < 0)
		err = -errno;
out:
	if (s >= 0)
		close(s);
	if (err && fd >= 0)
		close(fd);
	return err ? err : fd;
}

int net_open_wires(struct plan *p)
{
	for (size_t i = 0; i < p->wire_count; i++) {
		struct plan_wire *w = &p->wires[i];
		int err = net_enter(w->node->netns);

		if (!err)
			w->fd = tap_open(w);
		net_leave();
		if (err || w->fd < 0) {
			log_error("interface %s of %s: %s", w->ifname, w->node->node->name,
				  strerror(err ? -err : -w->fd));
			return err ? err : w->fd;
		}
	}
	return 0;
}

bool net_is_running(const char *netns, const char *ifname)
{
	struct ifreq ifr = {.ifr_flags = 0};
	bool running = false;
	int s;

	memcpy(ifr.ifr_name, ifname, strnlen(ifname, sizeof(ifr.ifr_name) - 1));
	if (!net_enter(netns)) {
		s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		running = s >= 0 && !ioctl(s, SIOCGIFFLAGS, &ifr) && ifr.ifr_flags & IFF_RUNNING;
		if (s >= 0)
			close(s);
	}
	net_leave();
	return running;
}

void net_each(const char *lab, void (*fn)(void *ctx, const char *netns), void *ctx)
{
	DIR *d = opendir(NETNS_DIR);
	size_t n = strlen(lab);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (!strncmp(e->d_name, lab, n) && e->d_name[n] == '.')
			fn(ctx, e->d_name);
	}
	if (d)
		closedir(d);
}

static void print_del(void *ctx, const char *netns)
{
	fprintf(ctx, "netns del %s\n", netns);
}

int net_remove(const char *lab)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int err;

	if (!f)
		return -ENOMEM;
	net_each(lab, print_del, f);
	fclose(f);
	err = size ? ip_batch(NULL, text) : 0;
	free(text);
	return err;
}
