/* ike_row: what the files of the IKE codec share. Private to src/wire. */
#pragma once

#include "wire/ike.h"

struct ike_row {
	uint8_t type; /* enum ike_payload_type */
	bool single;  /* may come once in a chain */
	/* Reads a body, all of it; false when it cannot be. p->body and p->type are set. */
	bool (*read)(struct ike_payload *p, struct rd *r);
	void (*write)(const struct ike_payload *p, struct wr *w);
};

/* One transform of a list; *last says that none follows. algorithm takes the attribute Signature
 * Algorithm Identifier (RFC 9838 §4.4.2.1.1); NULL: a list where it is unknown. */
bool ike_transform_raw(struct rd *r, struct ike_transform *t, bool *last,
		       struct ike_bytes *algorithm);
void ike_put_transform(struct wr *w, const struct ike_transform *t, bool last,
		       struct ike_bytes algorithm);
/* A selector as it stands in a list. */
void ike_put_selector(struct wr *w, const struct ike_ts *t);
/* The next selector of any type, unknown ones included; ts->type says which. */
bool ike_ts_raw(struct rd *r, struct ike_ts *ts);
