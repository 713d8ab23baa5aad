/* The mirror of the kernel's routes (routes.h): its place in control's loop and among the commands. */
#include "myelind/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "myelind/routes.h"
#include "proc/state.h"

static void on_routes(void *ctx, int fd, unsigned events)
{
	struct control *c = ctx;

	(void)fd;
	(void)events;
	routes_read(c->routes, clock_now());
}

void control_routes_init(struct control *c)
{
	size_t size = 0;
	void *area = state_map(ROLE_FD_ROUTES, &size);

	c->routes = area ? routes_new(area, size, ROLE_FD_ROUTES_NL) : NULL;
	if (!c->routes || loop_watch(c->loop, ROLE_FD_ROUTES_NL, LOOP_IN, on_routes, c) < 0) {
		/* The kernel forwards as well. */
		log_warn("the kernel's routes cannot be followed: %m");
		routes_free(c->routes);
		c->routes = NULL;
	}
}

void control_routes_fini(struct control *c)
{
	routes_free(c->routes);
	c->routes = NULL;
}

void control_routes_port(struct control *c, uint16_t port)
{
	const struct plan_port *p = plan_port(c->plan, port);

	if (c->routes && p && p->want.kind == MSG_PORT_OVERLAY)
		routes_port(c->routes, port,
			    c->ports[port - 1].ready ? c->ports[port - 1].ifindex : 0,
			    p->want.ifname);
}

void control_routes_turn(struct control *c, uint64_t now)
{
	if (c->routes)
		routes_turn(c->routes, now);
}

uint64_t control_routes_deadline(const struct control *c)
{
	return c->routes ? routes_deadline(c->routes) : UINT64_MAX;
}

void show_routes(void *ctx, struct ctl_request *rq)
{
	struct control *c = ctx;

	struct js *j;

	if (!c->routes) {
		ctl_fail(rq, "the kernel's routes are not followed");
		return;
	}
	j = routes_show(c->routes, clock_now());
	js_set_text(j, "cut-through", c->transit.open ? "open" : "closed");
	js_set_text(j, "cut-through-reason", c->transit.open ? NULL : c->transit.what);
	ctl_answer(rq, j);
}
