/*
 * carrier: the emulated carrier, a process of its own.
 *
 * `myelin lab up` opens the TAP devices that are the nodes' wan interfaces inside the nodes'
 * namespaces, and starts this process with their descriptors and a text that says what is
 * connected to what. From then on whatever a node sends out of a wan interface arrives here and
 * nowhere else. The process has one thread; it ends when its run directory is gone.
 *
 * The text, one statement a line:
 *   service NAME e-lan|e-line TUNNEL MTU LOSS-PPM REORDER-PPM DUPLICATE-PPM JITTER-NS RATE BURST
 *                                              numbered from 0 in this order; bit/s, octets
 *   tap NODE INTERFACE FD                                 so are interfaces
 *   port SERVICE TAP NODE NAME VLAN OUTER-VLAN OUTER-TPID ALLOW EAPOL,EAPOL,EAPOL,EAPOL
 *                                                         and ports; tags are local to a port
 *   rule PORT CLEAR TAGGED VLAN TYPE DESTINATION/MASK    what the file does with a kind of frame
 *   delay PORT PORT NS                         both ways
 *   ip SERVICE CORE-MTU FAULTS NAT-NS          the service is one of IP (lab/provider.h)
 *   pe PORT ADDRESS4 ADDRESS6 DHCP NAT         its router at a port: `4:c0000201/30`, `0:/0`; hex
 *   route PORT PREFIX VIA                      a network behind the customer's router there
 *
 * The control socket is RUN-DIR/carrier.sock (sequenced packets, text in, JSON out):
 *   status · cut NODE PORT · heal NODE PORT · inject NODE PORT HEX · send NODE PORT HEX ·
 *   tamper NODE PORT alter|duplicate|drop|late|replay COUNT · capture SERVICE
 */
#pragma once

#include "lab/elan.h"
#include "lab/flight.h"
#include "lab/impair.h"
#include "lab/provider.h"
#include "lab/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CARRIER_NAME 32
#define CARRIER_FRAME_MAX 9700
#define CARRIER_FLIGHT_FRAMES (256 * 1024)
#define CARRIER_FLIGHT_BYTES (256u << 20)
#define CARRIER_CLIENTS 16
#define CARRIER_LATE_NS (20ull * 1000000) /* how much later a `late` frame arrives */
#define CARRIER_REPLAY_NS (1000ull * 1000000)

struct carrier_service {
	char name[CARRIER_NAME];
	bool line;   /* an E-Line: what enters at one port leaves at the other */
	bool tunnel; /* carries every 01:80:c2:00:00:0x instead of consuming it */
	uint16_t mtu;
	struct impair impair;
	uint64_t rate, burst;      /* what each port is policed to: bit/s (0: not), octets */
	struct elan elan;          /* of an E-LAN */
	struct provider *provider; /* of IP; NULL: a service of Ethernet */
	struct crossing *crossing;
};

struct carrier_tap {
	char node[CARRIER_NAME];
	char ifname[16];
	int fd;
	bool up; /* false: every port on it is cut */
};

/* What the next MACsec frames towards a port suffer. */
enum carrier_tamper {
	TAMPER_ALTER,     /* one bit of the secure data is flipped */
	TAMPER_DUPLICATE, /* delivered twice */
	TAMPER_DROP,
	TAMPER_LATE,   /* delivered after frames sent later */
	TAMPER_REPLAY, /* delivered, and once more a second later */
	TAMPER_COUNT
};

struct carrier_port {
	uint16_t service, tap;
	char node[CARRIER_NAME], name[CARRIER_NAME];
	struct view_rule rule; /* its tags are those of the port */
	struct view view;      /* what the node sent to us here */
	struct policer policer;
	bool cut;
	uint64_t delivered, duplicated; /* frames handed to the node; of these, second ones */
	/* Towards the node, and not delivered; refused: by its kernel. */
	uint64_t lost, dropped_cut, dropped_full, refused;
	/* From the node: to an address that bridges consume, over the MTU, over the rate. */
	uint64_t reserved, oversize, policed;
	uint64_t injected, tampered;
	uint32_t tamper[TAMPER_COUNT]; /* frames still to suffer it */
};

struct carrier_client {
	int fd;
	int capture;     /* service captured, or -1 */
	uint64_t missed; /* frames not captured because the reader was slow */
};

struct carrier {
	struct carrier_service *services;
	size_t service_count;
	struct carrier_tap *taps;
	size_t tap_count;
	struct carrier_port *ports;
	size_t port_count;
	uint64_t *delay_ns; /* port_count squared, as is the next */
	uint64_t *last_ns;  /* when the last frame that keeps its order arrives */
	struct flight flight;
	uint64_t dice;
	/* Frames of a VLAN that no port of their interface has. */
	uint64_t stray;
	struct view stray_view;
	int listener;
	struct carrier_client clients[CARRIER_CLIENTS];
};

/* The process: reads the text from spec_fd, works in run_dir until the directory is removed or
 * a signal ends it. Returns the exit code. */
int carrier_main(const char *run_dir, int spec_fd);

/* The rest is between carrier.c and carrier_ctl.c. */

/* A request line, NUL-terminated; answers on the client's socket. */
void carrier_request(struct carrier *c, struct carrier_client *client, char *line);
/* Gives a frame that entered at port to whoever captures its service. */
void carrier_capture(struct carrier *c, uint16_t port, enum view_class class, const uint8_t *frame,
		     size_t len);
/* Where a statement of the text ends up; false: it cannot be read. */
bool carrier_statement(struct carrier *c, const char *line);
/* After the last statement. 0 or -ENOMEM. */
int carrier_ready(struct carrier *c);
void carrier_fini(struct carrier *c);
/* As if the node had sent it. */
void carrier_input(struct carrier *c, uint16_t tap, const uint8_t *frame, size_t len, uint64_t now);
/* Hands a frame to the node behind a port at a time. */
void carrier_schedule(struct carrier *c, uint16_t port, const uint8_t *frame, size_t len,
		      uint64_t due);
/* Brings a frame that entered at a port, in its VLAN, to another: distance, loss, tampering. */
void carrier_forward(struct carrier *c, uint16_t in, uint16_t out, enum view_class class,
		     const uint8_t *frame, size_t len, uint64_t now);
void carrier_cut(struct carrier *c, uint16_t port, bool cut);

/* carrier_ip.c */
bool carrier_ip_statement(struct carrier *c, const char *line);
void carrier_ip_input(struct carrier *c, uint16_t port, enum view_class class, const uint8_t *frame,
		      size_t len, uint64_t now);
void carrier_ip_fini(struct carrier_service *s);
