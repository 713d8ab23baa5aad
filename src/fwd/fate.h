/*
 * fate: where a packet goes, or why it goes nowhere. Every drop has a name and a counter; control
 * gets them as "path.<name>".
 */
#pragma once

/* FATE(enumerator, name, what it means) */
#define FWD_FATES(FATE)                                                                            \
	FATE(SENT_WAN, "sent-wan", "ciphertext handed to a wan port")                              \
	FATE(SENT_BYPASS, "sent-bypass", "in clear to a wan port: a bypass rule of the file")      \
	FATE(RECEIVED_BYPASS, "received-bypass", "in clear from a wan port, by a bypass rule")     \
	FATE(SENT_CLEAR, "sent-clear",                                                             \
	     "handed to a wan port in clear: should-secure without a key")                         \
	FATE(SENT_OVERLAY, "sent-overlay", "handed to an overlay port")                            \
	FATE(TRANSIT, "transit", "from a peer, on into an overlay by the kernel's routes")         \
	FATE(SENT_LAN, "sent-lan", "verified and handed to a lan port")                            \
	FATE(BRIDGE_CONTROL, "bridge-control", "what another bridge said to this one")             \
	FATE(SENT_LOCAL, "sent-local", "from one lan port of a bridge to another")                 \
	/* from an overlay */                                                                      \
	FATE(DROP_RULE, "drop.rule", "a drop rule of the file")                                    \
	FATE(DROP_NO_SECY, "drop.no-secy", "no SecY uses this port")                               \
	FATE(DROP_NO_PORT, "drop.no-port", "the port it should leave by is not there")             \
	FATE(DROP_NO_TX_SA, "drop.no-transmit-sa", "must-secure: no transmit SA is in use")        \
	FATE(DROP_PN_EXHAUSTED, "drop.pn-exhausted", "the SA's packet numbers are used up")        \
	FATE(DROP_RUNT, "drop.runt", "shorter than an Ethernet header")                            \
	FATE(DROP_TOO_LONG, "drop.too-long", "longer than the wan port carries once protected")    \
	FATE(DROP_NO_ROOM, "drop.no-room", "its buffer has no room for SecTAG and ICV")            \
	FATE(DROP_SEAL, "drop.seal-failed", "the cryptography refused to encrypt")                 \
	/* from a wan: not a SecTAG for us */                                                      \
	FATE(DROP_VLAN, "drop.wrong-vlan", "no port of the interface has that tag")                \
	FATE(DROP_STAG, "drop.foreign-tag", "no port has that service tag or those two tags")      \
	FATE(DROP_EAPOL, "drop.eapol", "keying; control has a socket for it")                      \
	FATE(DROP_CLEAR, "drop.not-macsec", "neither MACsec nor keying")                           \
	/* from a wan: SecTAG defects */                                                           \
	FATE(DROP_TAG_CUT, "drop.sectag-cut", "ends within its SecTAG")                            \
	FATE(DROP_TAG_VERSION, "drop.sectag-version", "version bit set")                           \
	FATE(DROP_TAG_ES_SC, "drop.sectag-es-and-sc", "ES and SC set together")                    \
	FATE(DROP_TAG_SCB_SC, "drop.sectag-scb-and-sc", "SCB and SC set together")                 \
	FATE(DROP_TAG_SL, "drop.sectag-short-length", "short length out of range")                 \
	FATE(DROP_TAG_SHORT, "drop.sectag-too-short", "less user data than promised")              \
	FATE(DROP_TAG_EXCESS, "drop.sectag-excess", "more user data than promised")                \
	FATE(DROP_TAG_E, "drop.sectag-e-without-c", "E without C: not for a SecY")                 \
	FATE(DROP_TAG_C, "drop.sectag-c-without-e", "C without E: no such suite")                  \
	FATE(DROP_TAG_PN_ZERO, "drop.sectag-pn-zero", "packet number 0")                           \
	/* from a wan: no SA, or refused by it */                                                  \
	FATE(DROP_NO_SCI, "drop.no-sci", "no SCI, and the sender is not the only one")             \
	FATE(DROP_SCB, "drop.single-copy-broadcast", "single copy broadcast of nobody we know")    \
	FATE(DROP_OWN_SCI, "drop.own-sci", "our own frame came back")                              \
	FATE(DROP_UNKNOWN_SCI, "drop.unknown-sci", "nobody we know")                               \
	FATE(DROP_NO_SA, "drop.not-using-sa", "no SA under this AN")                               \
	FATE(DROP_LATE, "drop.late", "below the replay window")                                    \
	FATE(DROP_DUPLICATE, "drop.duplicate", "in the replay window, accepted before")            \
	FATE(DROP_NOT_VALID, "drop.not-valid", "the ICV is wrong")                                 \
	FATE(DROP_INNER_RUNT, "drop.inner-runt", "verified, but too short to be a frame")          \
	/* from an overlay, for a tunnel */                                                        \
	FATE(DROP_NOT_IP, "drop.not-ip", "neither IPv4 nor IPv6: ESP carries nothing else")        \
	FATE(DROP_INNER_MALFORMED, "drop.inner-malformed", "an IP header that is not right")       \
	FATE(DROP_NO_TUNNEL, "drop.no-tunnel", "its next hop is no peer, or there is none")        \
	FATE(DROP_NO_SELECTOR, "drop.no-selector", "no transmit SA of the tunnel is for it")       \
	FATE(DROP_NO_NEXT_HOP, "drop.no-next-hop", "no MAC address of the way to the peer yet")    \
	FATE(DROP_TRANSPORT, "drop.not-for-transport",                                             \
	     "transport mode: a fragment, or not between the SA's own addresses")                  \
	FATE(DROP_TOO_BIG, "drop.too-big", "exceeds the tunnel's MTU and may not be fragmented")   \
	FATE(DROP_HELD, "drop.held-too-long", "waited for an SA in vain, or others did")           \
	FATE(DROP_NO_BUFFER, "drop.no-buffer", "no buffer for a copy or a fragment")               \
	FATE(COPIED, "copied", "to a group: copies went to every peer")                            \
	FATE(FRAGMENTED, "fragmented", "went on in pieces, made before encryption")                \
	/* from a wan, IP: not ESP for us */                                                       \
	FATE(DROP_NOT_ESP, "drop.not-esp", "IP, but neither ESP nor its keying")                   \
	FATE(DROP_IKE, "drop.ike", "keying; control has a socket for it")                          \
	FATE(DROP_KEEPALIVE, "drop.nat-keepalive", "one octet that kept a NAT awake")              \
	FATE(DROP_OUTER_MALFORMED, "drop.outer-malformed", "an outer header that is not right")    \
	FATE(PIECE, "piece", "a fragment of an outer packet, kept until it is whole")              \
	FATE(DROP_OUTER_FRAGMENT, "drop.outer-fragment",                                           \
	     "a fragment that overlaps, is too long, or of which there are too many")              \
	FATE(HEARD_TOO_BIG, "heard.too-big", "ICMP that quoted a packet of ours: believed")        \
	FATE(RESYNCED, "resynced", "the upper half of an SA's sequence numbers found again")       \
	FATE(DROP_ICMP, "drop.icmp", "ICMP that quotes nothing of ours, or too much of it")        \
	FATE(DROP_ESP_SHORT, "drop.esp-short", "ends within ESP's header, IV or ICV")              \
	FATE(DROP_ESP_LENGTH, "drop.esp-length", "not a whole number of its cipher's blocks")      \
	FATE(DROP_UNKNOWN_SPI, "drop.unknown-spi", "no SA under this SPI at this address")         \
	FATE(DROP_ENCAPSULATION, "drop.esp-encapsulation", "UDP around ESP where there is none")   \
	/* from a wan: ESP that verified */                                                        \
	FATE(DROP_ESP_PADDING, "drop.esp-padding", "verified, but its padding is not 1, 2, 3")     \
	FATE(DROP_ESP_DUMMY, "drop.esp-dummy", "next header 59: sent to be thrown away")           \
	FATE(DROP_NEXT_HEADER, "drop.esp-next-header", "not what the SA's mode carries")           \
	FATE(DROP_ESP_INNER, "drop.esp-inner", "verified, but no IP packet is in it")              \
	FATE(DROP_SELECTOR, "drop.selector", "verified, but not what the SA is for")               \
	FATE(DROP_ECN, "drop.ecn", "congestion told to a packet that cannot say so (RFC 6040)")    \
	/* bridges */                                                                              \
	FATE(DROP_L2CP, "drop.l2cp", "a layer-2 control protocol that is not carried")             \
	FATE(DROP_SOURCE, "drop.bridge-group-source", "its source is a group address")             \
	FATE(DROP_OWN_GROUP, "drop.bridge-control", "myelin's own group address, from elsewhere")  \
	FATE(DROP_FILTERED, "drop.bridge-local", "for the lan that it came from")                  \
	FATE(DROP_ELSEWHERE, "drop.bridge-elsewhere", "flooded by the carrier, for another peer")  \
	FATE(DROP_STANDBY, "drop.bridge-standby", "another node of the site forwards")             \
	FATE(DROP_OWN_SITE, "drop.bridge-own-site", "of this lan, by another node of the site")    \
	FATE(DROP_NAMELESS, "drop.bridge-unidentified", "its peer has not said yet who it is")     \
	FATE(DROP_RETURNED, "drop.bridge-returned", "of a peer's lan, back by this site's lan")    \
	FATE(DROP_STORM, "drop.bridge-flood-limit", "one flooded frame too many from there")       \
	/* ports and guards */                                                                     \
	FATE(DROP_LAN, "drop.lan", "from a lan port that no bridge has")                           \
	FATE(GUARD_UNSEALED, "drop.guard-unsealed", "towards a wan without the AEAD's mark")       \
	FATE(GUARD_MALFORMED, "drop.guard-malformed", "towards a wan, not as it may leave")        \
	FATE(GUARD_UNOPENED, "drop.guard-unopened", "towards an overlay without the AEAD's mark")  \
	FATE(GUARD_CLEAR, "drop.guard-clear", "in clear, and no bypass rule is for it")            \
	FATE(GUARD_LAN, "drop.guard-lan", "towards a lan, neither verified nor from another lan")  \
	FATE(DROP_PORT, "drop.port-refused", "the port did not take it; its tx_errors too")

/* clang-format off */
enum fwd_fate {
#define FATE(e, name, what) FATE_##e,
	FWD_FATES(FATE)
#undef FATE
	FATE_COUNT
};
/* clang-format on */

extern const char *const fwd_fate_names[FATE_COUNT];
