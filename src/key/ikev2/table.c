/*
 * The exchange table. A request is found by its exchange and what it is about, an answer by what
 * was asked; a row says in which states it may come, which payloads it needs and may have, who
 * handles it, and, for what we ask, how often it is repeated before the peer is taken for dead.
 */
#include "key/ikev2/ikev2_i.h"

#define B(type) IKE_BIT(IKE_PL_##type)
#define ALWAYS (B(NOTIFY) | B(VENDOR))
#define CHILD (B(SA) | B(TSI) | B(TSR))
#define STANDS (IN(ST_UP) | IN(ST_REPLACED) | IN(ST_CLOSING))

enum about { ANYTHING, A_CHILD_AGAIN, A_CHILD, THE_IKE_SA };

static const struct request_row {
	uint8_t exchange;
	uint8_t about; /* enum about */
	uint16_t states;
	uint32_t required, optional;
	enum ikev2_result (*handle)(struct ike_sa *sa, struct in *in);
} requests[] = {
	{IKE_AUTH, ANYTHING, IN(ST_HALF_OPEN), B(IDI) | B(AUTH),
	 CHILD | B(IDR) | B(CERT) | B(CERTREQ), auth_request},
	{IKE_GSA_AUTH, ANYTHING, IN(ST_HALF_OPEN), B(IDI) | B(AUTH) | B(IDG),
	 B(SA) | B(IDR) | B(CERT) | B(CERTREQ), auth_request},
	{IKE_CREATE_CHILD_SA, A_CHILD_AGAIN, STANDS, CHILD | B(NONCE) | B(NOTIFY), B(KE),
	 create_rekey_request},
	{IKE_CREATE_CHILD_SA, A_CHILD, STANDS, CHILD | B(NONCE), B(KE), create_request},
	{IKE_CREATE_CHILD_SA, THE_IKE_SA, STANDS, B(SA) | B(NONCE) | B(KE), 0, rekey_request},
	{IKE_GSA_REGISTRATION, ANYTHING, STANDS, B(IDG), B(SA), group_request},
	{IKE_GSA_INBAND_REKEY, ANYTHING, STANDS, 0, B(GSA) | B(KD) | B(DELETE), group_inband},
	{IKE_INFORMATIONAL, ANYTHING, STANDS | IN(ST_CLOSED), 0, B(DELETE), info_request},
};

static const struct response_row {
	uint8_t exchange;
	uint8_t tries;
	uint32_t required, optional; /* when nothing was refused */
	enum ikev2_result (*handle)(struct ike_sa *sa, struct in *in);
} responses[EX_COUNT] = {
	[EX_INIT] = {IKE_SA_INIT, 12, B(SA) | B(KE) | B(NONCE), B(CERTREQ), init_response},
	[EX_AUTH] = {IKE_AUTH, 12, B(IDR) | B(AUTH), CHILD | B(CERT) | B(CERTREQ), auth_response},
	[EX_GSA_AUTH] = {IKE_GSA_AUTH, 12, B(IDR) | B(AUTH), B(GSA) | B(KD) | B(CERT) | B(CERTREQ),
			 auth_response},
	[EX_CHILD_NEW] = {IKE_CREATE_CHILD_SA, 12, CHILD | B(NONCE), B(KE), create_response},
	[EX_CHILD_REKEY] = {IKE_CREATE_CHILD_SA, 12, CHILD | B(NONCE), B(KE), create_response},
	[EX_IKE_REKEY] = {IKE_CREATE_CHILD_SA, 12, B(SA) | B(NONCE) | B(KE), 0, rekey_response},
	[EX_DELETE_CHILD] = {IKE_INFORMATIONAL, 12, 0, B(DELETE), info_response},
	[EX_DELETE_IKE] = {IKE_INFORMATIONAL, 6, 0, B(DELETE), info_response},
	[EX_DPD] = {IKE_INFORMATIONAL, 12, 0, B(DELETE), info_response},
	[EX_GSA_REGISTER] = {IKE_GSA_REGISTRATION, 12, B(GSA) | B(KD), 0, group_response},
	[EX_GSA_REPORT] = {IKE_GSA_REGISTRATION, 12, 0, 0, group_response},
	[EX_GSA_INBAND] = {IKE_GSA_INBAND_REKEY, 12, 0, 0, group_response},
};

unsigned table_tries(enum kind kind)
{
	return responses[kind].tries;
}

bool table_expects(const struct ike_sa *sa, uint8_t exchange, bool response)
{
	if (response)
		return sa->req.kind && responses[sa->req.kind].exchange == exchange;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (requests[i].exchange == exchange && requests[i].states & IN(sa->state))
			return true;
	return false;
}

static bool fits(uint32_t present, uint32_t required, uint32_t optional)
{
	return (present & required) == required && !(present & ~(required | optional | ALWAYS));
}

static enum about about(const struct in *in)
{
	if (in->h->exchange != IKE_CREATE_CHILD_SA)
		return ANYTHING;
	if (ike_find_notify(in->c, IKE_N_REKEY_SA))
		return A_CHILD_AGAIN;
	return in->c->present & (B(TSI) | B(TSR)) ? A_CHILD : THE_IKE_SA;
}

enum ikev2_result table_request(struct ike_sa *sa, struct in *in)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		const struct request_row *row = &requests[i];

		if (row->exchange != in->h->exchange || row->about != about(in) ||
		    !(row->states & IN(sa->state)))
			continue;
		if (fits(in->c->present, row->required, row->optional))
			return row->handle(sa, in);
		break;
	}
	input_fatal(sa, in, IKE_N_INVALID_SYNTAX);
	return IKEV2_PAYLOADS;
}

uint16_t error_of(const struct ike_chain *c)
{
	for (unsigned i = 0; i < c->count; i++)
		if (c->v[i].type == IKE_PL_NOTIFY && c->v[i].notify.type < IKE_N_STATUS)
			return c->v[i].notify.type;
	return 0;
}

enum ikev2_result table_response(struct ike_sa *sa, struct in *in)
{
	const struct response_row *row = &responses[sa->req.kind];
	uint16_t error = error_of(in->c);
	bool whole = fits(in->c->present, row->required, row->optional);
	char why[IKEV2_TROUBLE_MAX - 96];

	if (whole)
		return row->handle(sa, in);
	switch (sa->req.kind) {
	case EX_INIT: /* refusals, and COOKIE */
		return in->c->present & ~ALWAYS ? IKEV2_CLEAR_PAYLOADS : row->handle(sa, in);
	case EX_AUTH:
	case EX_GSA_AUTH:
		sa->refused = error;
		sa_lost(sa,
			error ? refusal_text(sa, error, false, why, sizeof(why))
			      : "an answer without proof",
			in->now);
		return error ? IKEV2_REFUSED : IKEV2_PAYLOADS;
	case EX_CHILD_NEW:
	case EX_CHILD_REKEY:
	case EX_IKE_REKEY:
	case EX_GSA_REGISTER:
		if (error && !(in->c->present & ~ALWAYS))
			return row->handle(sa, in);
		break;
	default:
		break;
	}
	input_fatal(sa, in, IKE_N_INVALID_SYNTAX);
	return IKEV2_PAYLOADS;
}
