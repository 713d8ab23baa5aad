/* Identities (RFC 7296 §3.5): compared, read, written, found in certificates (RFC 4945 §3). */
#include "key/ikev2/ikev2_i.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool id_equal(const struct ikev2_id *a, const struct ikev2_id *b)
{
	if (a->type != b->type)
		return false;
	if (a->type == IKE_ID_DN)
		return x509_dn_equal((struct x509_der){a->b, a->len},
				     (struct x509_der){b->b, b->len});
	if (a->len != b->len)
		return false;
	if (a->type == IKE_ID_FQDN || a->type == IKE_ID_RFC822)
		return !memchr(a->b, 0, a->len) &&
		       !strncasecmp((const char *)a->b, (const char *)b->b, a->len);
	return !memcmp(a->b, b->b, a->len);
}

void id_read(const struct ike_payload *p, struct ikev2_id *id)
{
	*id = (struct ikev2_id){.type = p->id.type};
	if (p->id.data.len > IKEV2_ID_MAX) {
		id->type = 0; /* equal to none */
		return;
	}
	id->len = (uint16_t)p->id.data.len;
	memcpy(id->b, p->id.data.p, id->len);
}

void id_put(struct out *o, enum ike_payload_type type, const struct ikev2_id *id)
{
	ike_put(&o->o, &(struct ike_payload){
			       .type = (uint8_t)type,
			       .id = {.type = id->type, .data = {id->b, id->len}},
		       });
}

size_t id_body(const struct ikev2_id *id, uint8_t out[4 + IKEV2_ID_MAX])
{
	struct wr w = wr_init(out, 4 + IKEV2_ID_MAX);

	wr_u8(&w, id->type);
	wr_zero(&w, 3);
	wr_bytes(&w, id->b, id->len);
	return wr_len(&w);
}

bool id_in_certificate(const struct ikev2_id *id, struct x509_der cert)
{
	switch (id->type) {
	case IKE_ID_IPV4:
		return x509_names(cert, X509_IPV4, id->b, id->len);
	case IKE_ID_IPV6:
		return x509_names(cert, X509_IPV6, id->b, id->len);
	case IKE_ID_FQDN:
		return x509_names(cert, X509_DNS, id->b, id->len);
	case IKE_ID_RFC822:
		return x509_names(cert, X509_EMAIL, id->b, id->len);
	case IKE_ID_DN:
		return x509_names(cert, X509_DN, id->b, id->len);
	default:
		return false;
	}
}

/* Without what could steer a terminal. */
static void printable(const uint8_t *b, size_t n, char *buf, size_t size)
{
	size_t i = 0;

	for (; i < n && i + 1 < size; i++)
		buf[i] = (char)(b[i] > 32 && b[i] < 127 ? b[i] : '?');
	buf[i] = 0;
}

const char *ikev2_id_text(const struct ikev2_id *id, char *buf, size_t size)
{
	char addr[INET6_ADDRSTRLEN] = "?";
	bool readable = id->len > 0;

	switch (id->type) {
	case 0:
		snprintf(buf, size, "any");
		break;
	case IKE_ID_IPV4:
	case IKE_ID_IPV6:
		inet_ntop(id->type == IKE_ID_IPV4 ? AF_INET : AF_INET6, id->b, addr, sizeof(addr));
		snprintf(buf, size, "%s", addr);
		break;
	case IKE_ID_FQDN:
	case IKE_ID_RFC822:
		printable(id->b, id->len, buf, size);
		break;
	case IKE_ID_DN:
		x509_dn_text((struct x509_der){id->b, id->len}, buf, size);
		if (!buf[0])
			snprintf(buf, size, "a DN that is none");
		break;
	default:
		for (unsigned i = 0; i < id->len; i++)
			readable &= id->b[i] > 32 && id->b[i] < 127;
		if (readable)
			printable(id->b, id->len, buf, size);
		else
			snprintf(buf, size, "key id of %u octets", id->len);
		break;
	}
	return buf;
}
