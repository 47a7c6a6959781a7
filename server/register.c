// SPDX-License-Identifier: GPL-2.0
/*
 * Registration: a one-time code becomes a member's key and token secret.
 */
#include <string.h>

#include "authd.h"

static struct sotto_ratelimit limit_store = SOTTO_RATELIMIT(10000, 3);

/*
 * An expired or used code has its psk still: whoever proves to know it is told
 * what is wrong with it, and nobody else is.
 */
bool register_psk(struct authd *ad, const uint8_t id[SOTTO_CODE_ID_LEN],
		  uint8_t psk[SOTTO_SECRET_LEN])
{
	struct sotto_errmsg err;
	struct store_code c;
	int rc = store_code_find(ad->store, id, &c, &err);

	if (rc && rc != SOTTO_E_UNKNOWN)
		sotto_log_limited(&limit_store, SOTTO_LOG_ERR, "%s", err.text);
	memcpy(psk, c.psk, SOTTO_SECRET_LEN);
	sotto_wipe(&c, sizeof(c));
	return rc == 0;
}

static void refuse(struct assoc *as, uint32_t id, enum sotto_refusal reason)
{
	as->ad->stats.enrolments_refused++;
	sotto_chan_error(&as->chan, as->ad->now_ms, id, reason,
			 sotto_refusal_text(reason));
}

/* Where it began: that its later datagrams come from where they say is not sure. */
static void count_failure(struct assoc *as)
{
	limiter_take(&as->ad->failures, as->ad->now_ms, &as->half->source, true);
}

/* What the others see of it does not hang on its answer, which it can ask for again. */
static int take_member(struct assoc *as, struct store_member *sm)
{
	struct authd *ad = as->ad;
	struct member *old = member_by_id(ad, sm->id);
	bool first = !old || old->state == MEMBER_PENDING;
	bool rekey = !first && memcmp(old->static_pub, sm->static_pub,
				      SOTTO_PUB_LEN);

	if (member_load(ad, sm))
		return SOTTO_E_NOMEM;
	if (rekey) {
		sotto_notice("member %s has new keys", sm->name);
		assoc_member_rekeyed(ad, old);
	} else if (first) {
		ad->stats.enrolments++;
		sotto_notice("member %s enrolled", sm->name);
		policy_changed(ad);
	} else {
		/* who has had its answer already wants another secret from the keeper */
		count_failure(as);
	}
	return 0;
}

static void accept_member(struct assoc *as, uint32_t id,
			  struct store_member *sm)
{
	struct sotto_msg m = { .type = SOTTO_MSG_REGISTERED };
	struct sotto_errmsg err;
	int rc = take_member(as, sm);

	if (!rc)
		rc = store_token_secret(as->ad->store, sm, &err);
	if (rc) {
		refuse(as, id, rc == SOTTO_E_LIMIT ? SOTTO_REFUSAL_LIMIT :
			       SOTTO_REFUSAL_INTERNAL);
		return;
	}
	strcpy(m.registered.name, sm->name);
	m.registered.addrs = sm->addrs;
	memcpy(m.registered.token_secret, sm->token_secret, SOTTO_SECRET_LEN);
	sotto_chan_answer(&as->chan, as->ad->now_ms, id, &m);
	sotto_wipe(&m, sizeof(m));
}

static void log_refusal(struct assoc *as, enum sotto_refusal why)
{
	char addr[SOTTO_ADDR_STR];
	struct sotto_errmsg err;

	sotto_addr_str(&as->path.peer, addr);
	sotto_notice("enrolment from %s refused: %s", addr,
		     sotto_refusal_name(why));
	if (store_audit(as->ad->store, addr, "member.register.refused", "",
			sotto_refusal_name(why), authd_wall(), &err))
		sotto_log_limited(&limit_store, SOTTO_LOG_ERR, "%s", err.text);
}

/* Each one waits for the disk, and each refusal is a line of the audit log. */
static bool too_many(struct assoc *as)
{
	struct authd *ad = as->ad;

	if (as->half->registers == AUTHD_REGISTERS ||
	    limiter_empty(&ad->failures, ad->now_ms, &as->half->source, true))
		return true;
	as->half->registers++;
	return false;
}

static void do_register(struct assoc *as, uint32_t id)
{
	struct authd *ad = as->ad;
	enum sotto_refusal why = SOTTO_REFUSAL_INTERNAL;
	struct store_member sm = { 0 };
	struct sotto_errmsg err;
	int rc = store_register(ad->store, as->half->code_id,
				as->half->static_pub,
				authd_wall(), &sm, &why, &err);

	if (!rc) {
		accept_member(as, id, &sm);
	} else if (rc == SOTTO_E_REFUSED || rc == SOTTO_E_UNKNOWN) {
		/* unknown: replaced, or its member revoked, while we spoke */
		if (rc == SOTTO_E_UNKNOWN)
			why = SOTTO_REFUSAL_CODE_EXPIRED;
		count_failure(as);
		log_refusal(as, why);
		refuse(as, id, why);
	} else {
		sotto_log_limited(&limit_store, SOTTO_LOG_ERR,
				  "enrolment failed: %s", err.text);
		refuse(as, id, SOTTO_REFUSAL_STORAGE);
	}
	sotto_wipe(&sm, sizeof(sm));
}

void register_request(struct assoc *as, uint32_t id, const struct sotto_msg *m)
{
	(void)m;
	if (too_many(as))
		refuse(as, id, SOTTO_REFUSAL_LIMIT);
	else
		do_register(as, id);
}
