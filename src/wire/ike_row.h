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

/* The next selector of any type, unknown ones included; ts->type says which. */
bool ike_ts_raw(struct rd *r, struct ike_ts *ts);
