// SPDX-License-Identifier: GPL-2.0
/*
 * Looking ahead. With a million members nearly every look at a member, its
 * association or a table is a wait for memory, and each leads to the next. Here
 * the datagrams of a batch go through these steps side by side: a step fetches
 * for all of them what the next one reads. Nothing is decided here.
 */
#include "ahead.h"

#include <endian.h>
#include <string.h>

#define LINE	64

static void fetch(const void *p, size_t len)
{
	size_t at;

	for (at = 0; at < len; at += LINE)
		__builtin_prefetch((const char *)p + at);
}

typedef void (*step_fn)(struct authd *ad, struct incoming *in);

static void run(struct authd *ad, struct incoming *in, unsigned int n,
		const step_fn *steps, size_t steps_n)
{
	unsigned int i;
	size_t s;

	for (s = 0; s < steps_n; s++)
		for (i = 0; i < n; i++)
			steps[s](ad, &in[i]);
}

/* ---- from a datagram to its association ---- */

static void assoc_bucket(struct authd *ad, struct incoming *in)
{
	uint32_t index;

	in->as = NULL;
	in->gone = false;
	in->data = sotto_dgram_index(in->dgram, in->len, &index) ==
		   SOTTO_DGRAM_DATA;
	if (!in->data)
		return;
	in->index = index;
	in->hash = assoc_hash(ad, index);
	htab_fetch(&ad->assocs, in->hash);
}

static void assoc_node(struct authd *ad, struct incoming *in)
{
	if (in->data)
		htab_fetch_first(&ad->assocs, in->hash);
}

static void assoc_itself(struct authd *ad, struct incoming *in)
{
	if (in->data)
		in->as = assoc_by_hash(ad, in->hash, in->index);
	if (in->as)
		fetch(in->as, sizeof(*in->as));
}

static void assoc_around(struct authd *ad, struct incoming *in)
{
	(void)ad;
	if (!in->as)
		return;
	fetch(in->as->member, sizeof(*in->as->member));
	__builtin_prefetch(in->as->chan.calls);
}

void ahead_associations(struct authd *ad, struct incoming *in, unsigned int n)
{
	static const step_fn steps[] = {
		assoc_bucket, assoc_node, assoc_itself, assoc_around,
	};

	run(ad, in, n, steps, sizeof(steps) / sizeof(steps[0]));
}

/* ---- from what it says to whom it is about ---- */

static void look_request(struct authd *ad, struct incoming *in,
			 const struct sotto_frame_view *v)
{
	size_t len;
	const uint8_t *p = sotto_msg_find(v->body, v->len,
					  SOTTO_ATTR_REQUEST_ID, &len);
	uint64_t id;

	if (p && len == sizeof(id)) {
		memcpy(&id, p, len);
		in->asked_hash = request_hash(ad, in->as->member, be64toh(id));
		htab_fetch(&ad->asked, in->asked_hash);
	}
	p = sotto_msg_find(v->body, v->len, SOTTO_ATTR_DESTINATION, &len);
	if (!p || len < 1 || sotto_addr_set(&in->dst, p + 1, len - 1))
		return;
	in->hash = htab_hash(&ad->members_by_addr, in->dst.b, in->dst.len);
	in->asks = true;
	htab_fetch(&ad->members_by_addr, in->hash);
}

static void content(struct authd *ad, struct incoming *in)
{
	struct sotto_frame_view v;

	in->asks = false;
	in->asked_hash = 0;
	in->session = NULL;
	in->to = NULL;
	/* a host that enrols asks for nothing else */
	if (!in->as || !in->as->member ||
	    !sotto_frame_look(&v, in->frame, in->frame_len))
		return;
	if (v.request)
		sotto_chan_fetch(&in->as->chan, v.id);
	if (v.request && v.type == SOTTO_MSG_SESSION_REQUEST)
		look_request(ad, in, &v);
	else if (v.answer)
		in->session = session_offered_by(&in->as->chan, v.id);
	if (in->session)
		fetch(in->session, sizeof(*in->session));
}

static void content_node(struct authd *ad, struct incoming *in)
{
	if (in->asked_hash)
		htab_fetch_first(&ad->asked, in->asked_hash);
	if (in->asks) {
		htab_fetch_first(&ad->members_by_addr, in->hash);
	} else if (in->session) {
		fetch(in->session->a, sizeof(*in->session->a));
		fetch(in->session->mediation, sizeof(*in->session->mediation));
	}
}

static void content_member(struct authd *ad, struct incoming *in)
{
	if (in->asks)
		in->to = member_by_hash(ad, in->hash, &in->dst);
	else if (in->session)
		in->to = in->session->a;
	if (in->to)
		fetch(in->to, sizeof(*in->to));
}

static void content_peer(struct authd *ad, struct incoming *in)
{
	if (!in->to)
		return;
	if (in->to->current)
		fetch(in->to->current, sizeof(*in->to->current));
	if (!in->asks)
		return;
	in->hash = pair_hash(ad, in->as->member, in->to);
	htab_fetch(&ad->pairs, in->hash);
	__builtin_prefetch(in->to->addrs);
	__builtin_prefetch(in->to->sessions);
	__builtin_prefetch(in->as->member->addrs);
	__builtin_prefetch(in->as->member->sessions);
}

static void content_rest(struct authd *ad, struct incoming *in)
{
	if (!in->to)
		return;
	if (in->asks)
		htab_fetch_first(&ad->pairs, in->hash);
	else if (in->to->current)
		sotto_chan_fetch(&in->to->current->chan,
				 in->session->mediation->call);
}

void ahead_contents(struct authd *ad, struct incoming *in, unsigned int n)
{
	static const step_fn steps[] = {
		content, content_node, content_member, content_peer,
		content_rest,
	};

	run(ad, in, n, steps, sizeof(steps) / sizeof(steps[0]));
}
