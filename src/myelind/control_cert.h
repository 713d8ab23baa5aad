/*
 * control_cert: `auth ca` in control. It has the files of each authority brought by the parent,
 * learns from the signer which key is ours, gives the engine what a peer authenticates with
 * (cert.h), and takes its requests for signatures to the signer and back.
 *
 * Files are looked at again every minute and with every reload: a revocation list that was replaced
 * is in use then, and so is a certificate. Requests that a signer's death left open are asked again
 * of its successor, until their time is over. Control thread only.
 */
#pragma once

#include "key/ikev2/ikev2.h"
#include "msg/msg.h"

struct control;
struct control_tunnel;

/* Before anything is wanted. 0, or -errno. All of these do nothing where no overlay has `auth ca`. */
int certs_init(struct control *c);
void certs_fini(struct control *c);
/* Names the keys the signer is to hold; before MSG_WANT_DONE. The first time the files too. */
void certs_want(struct control *c);
/* Looks at all files anew. */
void certs_look(struct control *c);
/* Everything was answered, or is not waited for any longer: who is known now is who there is. */
bool certs_settled(const struct control *c, uint64_t now);
/* The answer to a request for a file; false: it was not ours. Takes fd. */
bool certs_file(struct control *c, const struct msg_file *f, int fd, uint64_t now);
/* The link to the signer, which is ours from now on. */
void certs_link(struct control *c, int fd);
void certs_turn(struct control *c, uint64_t now);
uint64_t certs_deadline(const struct control *c);

/* What the tunnel's peer authenticates with, lent as struct ikev2_peer has it: until it is set anew.
 * 0, or -EKEYREJECTED: not now, cert_trouble() says why. */
int cert_peer_fill(struct control *c, struct control_tunnel *t, struct ikev2_peer *p);
/* What is wrong with the files of an authority; "" when nothing is. */
const char *cert_trouble(const struct control *c, const char *authority);
/* What is worth knowing of an authority although peers authenticate: its trouble, or that the time of
 * a file of it ends soon; "" when nothing is. Returns buf. */
const char *cert_note(const struct control *c, const char *authority, char *buf, size_t size);
/* For struct ikev2_env. 0, -EMSGSIZE, -EBUSY: too many are waited for; -ENOMEM. */
int cert_sign(struct control *c, uint32_t id, uint16_t key, enum sign_scheme s, const void *data,
	      size_t len);
