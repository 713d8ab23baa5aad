/*
 * keep: the SAs of one SecY that control stands for, and their agreement with forward.
 *
 * The keying engine's verbs (key/sink.h) land here first: what is wanted is kept, said to forward,
 * and said again when forward could not take it or was restarted. What forward reports is held
 * against it: an SA nobody wants is retired, one that is wanted and gone is told to the engine.
 * The whole of it is saved in the `ctl` memfd, so a restarted control takes up its SAs by the same
 * names. Owns the keys in it. Control thread only.
 */
#pragma once

#include "base/rd.h"
#include "base/wr.h"
#include "key/sink.h"
#include "msg/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEEP_MAX 328     /* SAs of a SecY: four ANs of 80 peers and ourselves, and some */
#define KEEP_RETIRES 32  /* retirements that forward could not take yet */
#define KEEP_SAVE_SA 104 /* bytes one SA takes at most in a record */

struct keep_sa {
	uint8_t direction; /* enum sink_direction */
	uint64_t turn;     /* not 0: to be said, in this order */
	bool said;         /* forward may have been told: it is saved as such before it is told */
	bool installed;    /* as forward reported it last */
	bool awaited;      /* during a sync: said, and not reported so far */
	uint64_t pn_seen;  /* as forward reported it last */
	uint64_t since_ns; /* when the engine named it first, boot-time clock */
	struct sink_sa sa;
};

struct keep_retire {
	uint64_t turn;
	struct msg_sa_retire what;
};

struct keep_env {
	void *ctx;
	/* Says it to forward: 0, -EAGAIN (later), -ENOTCONN (no forward). */
	int (*say)(void *ctx, struct msg *m);
	/* An SA that was wanted is gone. */
	void (*lost)(void *ctx, const struct sink_report *r);
};

struct keep {
	uint16_t secy;
	struct keep_env env;
	size_t count;
	struct keep_sa *v; /* KEEP_MAX of them, in the order they were named */
	size_t retire_count;
	struct keep_retire retires[KEEP_RETIRES];
	uint64_t turn;
	bool resync; /* retirements were given up: only a sync finds what is left over */
	bool dirty;  /* changed since the last keep_save() */
};

int keep_init(struct keep *k, uint16_t secy, const struct keep_env *env);
/* Wipes and frees. Forward keeps what it has. */
void keep_fini(struct keep *k);

/* The sink's verbs; nothing is said before keep_flush(). 0, or -ENOSPC. */
int keep_add(struct keep *k, enum sink_direction d, const struct sink_sa *sa, uint64_t now);
void keep_retire(struct keep *k, const uint8_t key_id[MACSEC_KEY_ID_LEN], uint64_t sci);
/* Retires everything there is: the engine starts anew. */
void keep_clear(struct keep *k);

/* What is to be said counts as said from here on. Then keep_save(), then keep_flush(): so that no
 * successor takes an SA that forward may have sent under for one it may give again. */
void keep_commit(struct keep *k);
/* Says what is to be said, in order. 0 when all was; -EAGAIN, -ENOTCONN. */
int keep_flush(struct keep *k);

/* Forward is another process, or is asked what it has: everything said awaits its report, and is
 * not said again until that has come. */
void keep_sync_begin(struct keep *k);
/* True when the report is of an SA that is wanted: hand it to the engine. False: forward has
 * something nobody wants (it is told to retire it), or retired what it was told to. */
bool keep_report(struct keep *k, const struct sink_report *r);
/* What was awaited and did not come is lost: taken out, then told by env.lost. */
void keep_sync_done(struct keep *k);

/* Installed transmit SA named last, or NULL. */
const struct keep_sa *keep_transmit(const struct keep *k);

void keep_save(struct keep *k, struct wr *w);
/* -EBADMSG when it does not parse: nothing is kept then. */
int keep_load(struct keep *k, struct rd *r);
