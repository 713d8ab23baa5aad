/*
 * view: what the carrier sees of us, counted from its own bytes.
 *
 * This is the witness of the rule that a wan port emits ciphertext and its listed exceptions
 * only. It deliberately shares no code with src/wire: if the daemon and its codecs were wrong
 * together, this would still say so. Formats: IEEE 802.1AE-2018 clause 9 (SecTAG), 802.1X-2020
 * clause 11 (EAPOL), 802.1Q and 802.1ad (up to two tags in clear), RFC 4303, RFC 3948. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum view_class {
	VIEW_MACSEC, /* a well-formed SecTAG with E and C set, and room for an ICV */
	VIEW_EAPOL,  /* an EAPOL-MKA frame of the EtherType configured for this port */
	VIEW_ESP,    /* ESP, in UDP too, with a SPI that is not reserved and room for IV and ICV */
	VIEW_IKE,    /* UDP 500, or 4500 with the non-ESP marker; NAT keepalives */
	VIEW_ARP_ND,
	VIEW_DHCP,
	VIEW_BGP,
	VIEW_LLDP,
	VIEW_SSH,
	VIEW_PING,
	VIEW_BYPASS,  /* in clear, and a bypass rule of the file is the first to match it */
	VIEW_CLEAR,   /* what an overlay that may go in clear carries, whatever it is */
	VIEW_NEITHER, /* anything else, and any exception that is not configured: must stay 0 */
	VIEW_CLASS_COUNT
};

extern const char *const view_class_name[VIEW_CLASS_COUNT];

#define VIEW_EAPOL_TYPES 4

#define VIEW_EXCEPTIONS 16

/* A rule of the overlay, held against a frame behind the port's own tags. */
struct view_exception {
	bool clear;          /* lets the frame pass in clear; else it must not */
	bool tagged;         /* vlan counts */
	uint16_t vlan, type; /* of the first tag; behind it, 0: any */
	uint8_t dst[6], mask[6];
};

/* The tags in clear of a frame, or those that every frame of a port must have. */
struct view_tags {
	uint16_t vlan;       /* of the only or inner tag, 0x8100; 0: none */
	uint16_t outer_vlan; /* of a tag around it */
	uint16_t outer_type; /* that tag's TPID, 0x88a8 or 0x8100; 0: none */
};

/* What is allowed in clear at one port. */
struct view_rule {
	struct view_tags tags;
	uint16_t eapol[VIEW_EAPOL_TYPES]; /* EtherTypes, 0: unused */
	uint32_t allow;                   /* 1 << enum view_class of each exception but EAPOL */
	unsigned exception_count;
	struct view_exception exception[VIEW_EXCEPTIONS];
};

#define VIEW_KEPT 4        /* frames of class VIEW_NEITHER kept for the report, the first ones */
#define VIEW_KEPT_BYTES 96 /* of each */

struct view {
	uint64_t frames, bytes;
	uint64_t tagged;       /* of these, with a tag in clear, or two */
	uint64_t twice;        /* with two */
	uint64_t pcp[8];       /* tagged, by the priority of the only or inner tag */
	uint64_t outer_pcp[8]; /* with two, by that of the outer one */
	uint64_t by_class[VIEW_CLASS_COUNT];
	unsigned kept_count;
	struct view_kept {
		uint32_t len; /* of the whole frame */
		uint8_t b[VIEW_KEPT_BYTES];
	} kept[VIEW_KEPT];
};

/* What a frame (without FCS) is at a port with this rule. */
enum view_class view_classify(const struct view_rule *rule, const uint8_t *frame, size_t len);

/* Classifies, counts, and keeps the first offenders. */
enum view_class view_count(struct view *v, const struct view_rule *rule, const uint8_t *frame,
			   size_t len);

/* Bytes of a frame's tags in clear (0, 4 or 8), which *tags gets. An outer tag without an inner one
 * is no tag of ours: then 0, with outer_type set. */
size_t view_tags(const uint8_t *frame, size_t len, struct view_tags *tags);
bool view_tags_same(const struct view_tags *a, const struct view_tags *b);
