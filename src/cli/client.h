/*
 * client: asks the daemon of a node over its CLI socket.
 *
 * The socket is the abstract @myelin/NODE of this network namespace; it must be root's, and the
 * daemon answers root alone. One line goes there, one JSON document comes back. One thread.
 */
#pragma once

#include "base/js.h"
#include "cli/cli.h"

#define CLIENT_NODE_MAX 64 /* bytes of a node's name, with its NUL */

/* Names of the nodes whose daemons listen in this network namespace; returns how many of at most
 * max were written. */
size_t client_nodes(char (*names)[CLIENT_NODE_MAX], size_t max);

/*
 * The answer to `request` ("show peers") of c->node, or of the only daemon there is. NULL when
 * there was none or it was an error; why is said on c->err. The caller frees it with js_free().
 */
struct js *client_ask(const struct cli *c, const char *request);
