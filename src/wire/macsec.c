#include "wire/macsec.h"

#include "base/rd.h"
#include "base/wr.h"
#include "wire/eth.h"

const struct macsec_suite_info macsec_suites[MACSEC_SUITE_COUNT] = {
	[MACSEC_GCM_AES_128] = {"GCM-AES-128", "gcm-aes-128", 0x0080c20001000001, 16, false},
	[MACSEC_GCM_AES_256] = {"GCM-AES-256", "gcm-aes-256", 0x0080c20001000002, 32, false},
	[MACSEC_GCM_AES_XPN_128] = {"GCM-AES-XPN-128", "gcm-aes-xpn-128", 0x0080c20001000003, 16,
				    true},
	[MACSEC_GCM_AES_XPN_256] = {"GCM-AES-XPN-256", "gcm-aes-xpn-256", 0x0080c20001000004, 32,
				    true},
};

const struct macsec_conf_info macsec_confs[MACSEC_CONF_COUNT] = {
	[MACSEC_CONF_0] = {"full", 0},
	[MACSEC_CONF_30] = {"offset-30", 30},
	[MACSEC_CONF_50] = {"offset-50", 50},
	[MACSEC_CONF_NONE] = {"none", MACSEC_CLEAR_ALL},
};

int macsec_suite_by_id(uint64_t id)
{
	for (int i = 0; i < MACSEC_SUITE_COUNT; i++)
		if (macsec_suites[i].id == id)
			return i;
	return -1;
}

/* Which user data the tag promises, against what is there: 9.12 f to i. */
static enum macsec_defect length_check(struct macsec_tag *t, size_t len)
{
	size_t around = ETH_ADDRS_LEN + (size_t)t->len + MACSEC_ICV_LEN;

	if (!t->sl) {
		if (len < around + MACSEC_SHORT_LEN)
			return MACSEC_TAG_SL_CUT;
		t->secure = (uint32_t)(len - around);
		return MACSEC_TAG_OK;
	}
	if (len < around + t->sl)
		return MACSEC_TAG_SL_CUT;
	if (len > around + t->sl && len > ETH_FRAME_MIN)
		return MACSEC_TAG_SL_EXCESS;
	t->secure = t->sl;
	return MACSEC_TAG_OK;
}

enum macsec_defect macsec_parse(struct macsec_tag *t, const uint8_t *frame, size_t len)
{
	struct rd r = rd_init(frame, len);
	const uint8_t *addrs = rd_bytes(&r, ETH_ADDRS_LEN);
	struct rd tag = rd_block(&r, MACSEC_TAG_LEN);
	uint8_t first;

	*t = (struct macsec_tag){.len = MACSEC_TAG_LEN};
	if (r.bad)
		return MACSEC_TAG_CUT;
	if (rd_u16(&tag) != MACSEC_ETHERTYPE)
		return MACSEC_TAG_ETHERTYPE;
	first = rd_u8(&tag);
	t->tci = first & (uint8_t)~MACSEC_AN_MASK;
	t->an = first & MACSEC_AN_MASK;
	t->sl = rd_u8(&tag);
	t->pn = rd_u32(&tag);
	if (t->tci & MACSEC_TCI_SC) {
		t->len = MACSEC_TAG_SCI_LEN;
		t->sci = rd_u64(&r);
	} else if (t->tci & (MACSEC_TCI_ES | MACSEC_TCI_SCB)) {
		t->sci = macsec_sci(addrs + ETH_ADDR_LEN, t->tci & MACSEC_TCI_SCB ? 0 : 1);
	}
	/* A defect that a cut tag shows already is worth more than that it is cut. */
	if (t->tci & MACSEC_TCI_VERSION)
		return MACSEC_TAG_VERSION_1;
	if (t->tci & MACSEC_TCI_SC && t->tci & MACSEC_TCI_ES)
		return MACSEC_TAG_ES_AND_SC;
	if (t->tci & MACSEC_TCI_SC && t->tci & MACSEC_TCI_SCB)
		return MACSEC_TAG_SCB_AND_SC;
	if (t->sl >= MACSEC_SHORT_LEN)
		return MACSEC_TAG_SL_RESERVED;
	if (rd_left(&r) == 0)
		return MACSEC_TAG_CUT;
	switch (t->tci & (MACSEC_TCI_E | MACSEC_TCI_C)) {
	case MACSEC_TCI_E:
		return MACSEC_TAG_E_WITHOUT_C;
	case MACSEC_TCI_C:
		return MACSEC_TAG_C_WITHOUT_E;
	default:
		return length_check(t, len);
	}
}

size_t macsec_build(uint8_t out[MACSEC_TAG_SCI_LEN], uint8_t an, bool encrypt, uint32_t pn,
		    uint64_t sci, size_t secure)
{
	struct wr w = wr_init(out, MACSEC_TAG_SCI_LEN);

	wr_u16(&w, MACSEC_ETHERTYPE);
	wr_u8(&w, (uint8_t)(an | (encrypt ? MACSEC_TCI_E | MACSEC_TCI_C : 0) |
			    (sci ? MACSEC_TCI_SC : 0)));
	wr_u8(&w, secure < MACSEC_SHORT_LEN ? (uint8_t)secure : 0);
	wr_u32(&w, pn);
	if (sci)
		wr_u64(&w, sci);
	return wr_len(&w);
}

void macsec_nonce_base(uint8_t base[12], enum macsec_suite suite, uint64_t sci, uint32_t ssci,
		       const uint8_t salt[MACSEC_SALT_LEN])
{
	const uint64_t sci_be = htobe64(sci);
	const uint32_t ssci_be = htobe32(ssci);

	memset(base, 0, 12);
	if (!macsec_suites[suite].xpn) {
		memcpy(base, &sci_be, sizeof(sci_be));
		return;
	}
	memcpy(base, &ssci_be, sizeof(ssci_be));
	for (unsigned i = 0; i < MACSEC_SALT_LEN; i++)
		base[i] ^= salt[i];
}
