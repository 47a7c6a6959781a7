// SPDX-License-Identifier: GPL-2.0
/*
 * From a mediated session to two SAs in the kernel.
 */
#include "install.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../tools/lib/kdf.h"
#include "../tools/lib/log.h"
#include "../tools/lib/secret.h"
#include "agent.h"
#include "routes.h"

/* What installing needs beyond the key schedule's input. */
struct installation {
	struct sotto_session_input in;
	bool is_a;
	const struct sotto_party *us, *peer;
	uint16_t peer_port;
	uint64_t rekey_of;
	uint8_t nat;			/* SOTTO_NAT_PEER, _SELF */
	struct sotto_addr endpoint;	/* where the peer is; len 0 = to be learnt */
	struct sotto_session_keys keys;
};

static bool any_common(const struct sotto_addrs *a, const struct sotto_addrs *b)
{
	for (unsigned int i = 0; i < a->n; i++)
		if (sotto_addrs_have(b, &a->a[i]))
			return true;
	return false;
}

static bool all_in(const struct sotto_addrs *a, const struct sotto_addrs *b)
{
	for (unsigned int i = 0; i < a->n; i++)
		if (!sotto_addrs_have(b, &a->a[i]))
			return false;
	return a->n;
}

static bool all_unicast(const struct sotto_addrs *a)
{
	for (unsigned int i = 0; i < a->n; i++)
		if (!sotto_addr_is_unicast(&a->a[i]))
			return false;
	return a->n;
}

static bool has_cipher(const struct sotto_ciphers *list, uint8_t cipher)
{
	return memchr(list->c, cipher, list->n) != NULL;
}

static bool leads_to(const struct sotto_party *p, const struct sotto_addr *addr)
{
	return sotto_addrs_have(&p->addrs, addr) || routes_cover(&p->routes, addr);
}

/* Nothing of this host is behind somebody else, and nothing that every host has. */
static bool routes_right(struct agent *ag, const struct installation *n)
{
	if (n->in.mode == SOTTO_MODE_TRANSPORT)
		return !n->peer->routes.n && !n->us->routes.n && !n->nat;
	for (int i = 0; i < ag->id->addrs.n; i++)
		if (routes_cover(&n->peer->routes, &ag->id->addrs.a[i]))
			return false;
	return n->in.mode == SOTTO_MODE_TUNNEL && routes_can_be(&n->peer->routes) &&
	       routes_can_be(&n->us->routes);
}

/* The server is believed only as far as this host cannot know better. */
static enum sotto_refusal check(struct agent *ag, const struct installation *n)
{
	const struct sotto_session_input *in = &n->in;

	if (session_shunned(ag, n->peer->static_pub))
		return SOTTO_REFUSAL_REVOKED;
	if (!pins_fit(ag, n->peer->name, n->peer->static_pub) || pins_owner(ag, n->peer)) {
		pins_refused(ag, n->peer, in->session_id);
		return SOTTO_REFUSAL_PIN;
	}
	if (!has_cipher(&ag->conf.ciphers, in->cipher) ||
	    !has_cipher(&in->offered, in->cipher))
		return SOTTO_REFUSAL_CIPHER;
	/* what is wrong from here on is the server's fault */
	if (!all_in(&n->us->addrs, &ag->id->addrs) || !all_unicast(&n->peer->addrs) ||
	    any_common(&n->peer->addrs, &ag->id->addrs) ||
	    !leads_to(n->is_a ? n->peer : n->us, &in->dst) || !routes_right(ag, n) ||
	    !memcmp(n->peer->static_pub, ag->id->static_pub, SOTTO_PUB_LEN) ||
	    !sotto_name_valid(n->peer->name) || !n->peer_port ||
	    !in->life.hard_s || session_find(ag, in->session_id)) {
		sotto_err_log("peer %s: the server's session %016" PRIx64 " contradicts what this host knows; refused",
			      n->peer->name, in->session_id);
		return SOTTO_REFUSAL_REQUEST;
	}
	return 0;
}

/*
 * The one who asked replaces first; the other's turn comes halfway between soft
 * and hard lifetime, if the first one failed.
 */
static uint64_t soft(const struct installation *n, uint64_t soft, uint64_t hard)
{
	if (!soft)
		return 0;
	if (n->is_a)	/* up to a tenth earlier: those made together are not replaced so */
		return soft - (uint64_t)(soft / 10.0 * randombytes_uniform(1 << 16) / (1 << 16));
	return hard > soft ? soft + (hard - soft) / 2 : soft;
}

static void fill_limits(const struct installation *n, struct sgenl_sa *sa)
{
	const struct sotto_lifetimes *l = &n->in.life;

	sa->hard_seconds = l->hard_s;
	sa->hard_packets = l->hard_packets;
	sa->hard_bytes = l->hard_bytes;
	sa->soft_seconds = soft(n, l->soft_s, l->hard_s);
	sa->soft_packets = soft(n, l->soft_packets, l->hard_packets);
	sa->soft_bytes = soft(n, l->soft_bytes, l->hard_bytes);
}

static void fill_common(const struct installation *n, struct sgenl_sa *sa)
{
	memset(sa, 0, sizeof(*sa));
	sa->session = n->in.session_id;
	sa->cipher = n->in.cipher;
	sa->mode = n->in.mode;
	snprintf(sa->peer, sizeof(sa->peer), "%s", n->peer->name);
	sa->n_peer_addrs = n->peer->addrs.n;
	memcpy(sa->peer_addrs, n->peer->addrs.a, sizeof(n->peer->addrs.a));
	sa->n_local_addrs = n->us->addrs.n;
	memcpy(sa->local_addrs, n->us->addrs.a, sizeof(n->us->addrs.a));
	fill_limits(n, sa);
}

/*
 * Of the networks behind this host the peer may reach those of the session alone; with none,
 * none: what an address of ours stands for.
 */
static void fill_reach(const struct installation *n, struct sgenl_sa *sa)
{
	sa->n_local_prefixes = n->us->routes.n;
	memcpy(sa->local_prefixes, n->us->routes.p, sizeof(n->us->routes.p));
	if (sa->n_local_prefixes || sa->mode != SOTTO_SA_MODE_TUNNEL)
		return;
	sa->n_local_prefixes = 1;
	sa->local_prefixes[0] = sotto_prefix_host(&n->us->addrs.a[0]);
}

static int add_in(struct agent *ag, const struct installation *n)
{
	const struct sotto_session_keys *k = &n->keys;
	struct sgenl_sa sa;
	int ret;

	fill_common(n, &sa);
	sa.dir = SOTTO_SA_IN;
	sa.spi = n->us->spi;
	memcpy(sa.key, n->is_a ? k->key_ba : k->key_ab, sizeof(sa.key));
	memcpy(sa.salt, n->is_a ? k->salt_ba : k->salt_ab, sizeof(sa.salt));
	sa.confirm_seconds = SOTTO_CONFIRM_MS / 1000;
	sa.nat = n->nat;	/* either end's */
	sa.n_peer_prefixes = n->peer->routes.n;
	memcpy(sa.peer_prefixes, n->peer->routes.p, sizeof(n->peer->routes.p));
	fill_reach(n, &sa);
	ret = sgenl_sa_add(ag->kernel.req, &sa);
	sotto_wipe(&sa, sizeof(sa));
	return ret;
}

static int add_out(struct agent *ag, const struct installation *n)
{
	const struct sotto_session_keys *k = &n->keys;
	bool peer_natted = n->nat & SOTTO_NAT_PEER;
	struct sgenl_sa sa;
	int ret;

	fill_common(n, &sa);
	sa.dir = SOTTO_SA_OUT;
	sa.spi = n->peer->spi;
	memcpy(sa.key, n->is_a ? k->key_ab : k->key_ba, sizeof(sa.key));
	memcpy(sa.salt, n->is_a ? k->salt_ab : k->salt_ba, sizeof(sa.salt));
	sa.dport = n->peer_port;
	sa.pair_spi = n->us->spi;
	sa.nat = n->nat;	/* either end's */
	sa.keepalive = n->nat & SOTTO_NAT_SELF;
	sa.endpoint = n->endpoint;
	/*
	 * The one who asked begins, unless the other one is behind a NAT: its packets
	 * say where it is, so that nothing is sent before they come.
	 */
	sa.probe = sa.keepalive || (n->is_a && !peer_natted);
	sa.confirm = !n->is_a || peer_natted;
	ret = sgenl_sa_add(ag->kernel.req, &sa);
	sotto_wipe(&sa, sizeof(sa));
	return ret;
}

static int add_both(struct agent *ag, const struct installation *n)
{
	int ret = add_in(ag, n);

	if (!ret) {
		ret = add_out(ag, n);
		if (!ret)
			return 0;
	}
	sotto_err_log("peer %s: the kernel refuses an SA: %s", n->peer->name,
		      sgenl_error(ag->kernel.req));
	sgenl_sa_del(ag->kernel.req, SGENL_SA_BY_SESSION, n->in.session_id);
	return ret;
}

static void fill_session(struct agent *ag, const struct installation *n, struct session *s)
{
	const struct session *old = n->rekey_of ? session_find(ag, n->rekey_of) : NULL;

	snprintf(s->peer, sizeof(s->peer), "%s", n->peer->name);
	memcpy(s->peer_pub, n->peer->static_pub, SOTTO_PUB_LEN);
	s->peer_addrs = n->peer->addrs;
	s->peer_routes = n->peer->routes;
	s->dst = n->is_a ? n->in.dst : n->peer->addrs.a[0];
	s->spi_in = n->us->spi;
	s->spi_out = n->peer->spi;
	s->cipher = n->in.cipher;
	s->initiator = n->is_a;
	s->nat = n->nat;
	if (old && !strcmp(old->peer, s->peer))
		s->replaces = old->id;
	memcpy(s->eph_pub, n->us->eph_pub, SOTTO_PUB_LEN);
}

static void note_peer(struct agent *ag, const struct sotto_party *peer)
{
	const struct sotto_addrs *held;

	if (peers_note(&ag->peers, peer->name, peer->static_pub, &peer->addrs))
		pins_news(ag, peer->name);
	held = peers_addrs(&ag->peers, peer->name, peer->static_pub);
	for (unsigned int i = 0; held && i < peer->addrs.n; i++)
		if (!sotto_addrs_have(held, &peer->addrs.a[i]))
			ag->counters[COUNT_ADDRESSES_LEFT_OUT]++;
}

/* Everything that both sides do alike. */
static struct session *install(struct agent *ag, struct installation *n,
			       const uint8_t eph_priv[SOTTO_SECRET_LEN],
			       enum sotto_refusal *why)
{
	struct session *s;

	*why = check(ag, n);
	if (*why)
		return NULL;
	*why = SOTTO_REFUSAL_INTERNAL;
	if (sotto_session_keys(&n->in, n->is_a, ag->id->static_priv, eph_priv, &n->keys)) {
		sotto_err_log("peer %s: the keys cannot be derived; refused", n->peer->name);
		*why = SOTTO_REFUSAL_REQUEST;
		return NULL;
	}
	pins_met(ag, n->peer);
	s = session_new(ag, n->in.session_id);
	if (!s)
		return NULL;
	fill_session(ag, n, s);
	if (add_both(ag, n)) {
		session_free(s);
		return NULL;
	}
	routes_made(ag, s, &n->us->routes);
	note_peer(ag, n->peer);
	sotto_info("peer %s: session %016" PRIx64 " installed (%s, %s, spi in 0x%08x out 0x%08x)",
		   s->peer, s->id, n->is_a ? "we asked" : "it asked",
		   sgenl_cipher_name(s->cipher), s->spi_in, s->spi_out);
	return s;
}

static void fill_us(struct agent *ag, struct sotto_party *us,
		    const struct sotto_addrs *addrs, const uint8_t eph_pub[SOTTO_PUB_LEN],
		    uint32_t spi)
{
	snprintf(us->name, sizeof(us->name), "%s", ag->id->name);
	memcpy(us->static_pub, ag->id->static_pub, SOTTO_PUB_LEN);
	memcpy(us->eph_pub, eph_pub, SOTTO_PUB_LEN);
	us->addrs = *addrs;
	us->spi = spi;
}

static void fill_peer(struct sotto_party *peer, const char *name,
		      const uint8_t static_pub[SOTTO_PUB_LEN],
		      const uint8_t eph_pub[SOTTO_PUB_LEN],
		      const struct sotto_addrs *addrs, uint32_t spi)
{
	snprintf(peer->name, sizeof(peer->name), "%s", name);
	memcpy(peer->static_pub, static_pub, SOTTO_PUB_LEN);
	memcpy(peer->eph_pub, eph_pub, SOTTO_PUB_LEN);
	peer->addrs = *addrs;
	peer->spi = spi;
}

struct session *install_grant(struct agent *ag,
			      const struct sotto_msg_session_request *request,
			      const uint8_t eph_priv[SOTTO_SECRET_LEN],
			      const struct sotto_msg_session_grant *g,
			      enum sotto_refusal *why)
{
	struct installation n = { .is_a = true };
	struct sotto_session_input *in = &n.in;
	struct session *s;

	*why = SOTTO_REFUSAL_REQUEST;
	if (g->request_id != request->request_id)
		return NULL;
	memcpy(in->realm_key, ag->id->server_key, sizeof(in->realm_key));
	memcpy(in->seed, g->seed, sizeof(in->seed));
	in->session_id = g->session_id;
	in->dst = request->dst;
	in->offered = request->ciphers;
	in->cipher = g->cipher;
	in->life = g->life;
	in->mode = g->mode;
	fill_us(ag, &in->a, &g->own_addrs, request->eph_pub, request->spi);
	fill_peer(&in->b, g->name, g->static_pub, g->eph_pub, &g->addrs, g->spi);
	in->a.routes = g->own_routes;
	in->b.routes = g->routes;
	n.us = &in->a;
	n.peer = &in->b;
	n.peer_port = g->data_port;
	n.nat = g->nat;
	n.endpoint = g->endpoint;
	n.rekey_of = request->rekey_of;
	s = install(ag, &n, eph_priv, why);
	sotto_wipe(&n, sizeof(n));
	return s;
}

static void fill_offer(struct agent *ag, struct installation *n,
		       const struct sotto_msg_session_offer *o,
		       const struct sotto_msg_session_accept *accept)
{
	struct sotto_session_input *in = &n->in;

	memcpy(in->realm_key, ag->id->server_key, sizeof(in->realm_key));
	memcpy(in->seed, o->seed, sizeof(in->seed));
	in->session_id = o->session_id;
	in->dst = o->dst;
	in->offered = o->offered;
	in->cipher = o->cipher;
	in->life = o->life;
	in->mode = o->mode;
	fill_peer(&in->a, o->name, o->static_pub, o->eph_pub, &o->addrs, o->spi);
	fill_us(ag, &in->b, &o->own_addrs, accept->eph_pub, accept->spi);
	in->a.routes = o->routes;
	in->b.routes = o->own_routes;
	n->us = &in->b;
	n->peer = &in->a;
	n->peer_port = o->data_port;
	n->nat = o->nat;
	n->endpoint = o->endpoint;
	n->rekey_of = o->rekey_of;
}

struct session *install_offer(struct agent *ag,
			      const struct sotto_msg_session_offer *o,
			      struct sotto_msg_session_accept *accept,
			      enum sotto_refusal *why)
{
	struct installation n = { .is_a = false };
	uint8_t eph_priv[SOTTO_SECRET_LEN];
	struct session *s;

	*why = SOTTO_REFUSAL_LIMIT;
	if (sgenl_spi_alloc(ag->kernel.req, &accept->spi)) {
		sotto_err_log("the kernel gives no SPI: %s", sgenl_error(ag->kernel.req));
		return NULL;
	}
	noise_keypair(eph_priv, accept->eph_pub);
	accept->session_id = o->session_id;
	fill_offer(ag, &n, o, accept);
	s = install(ag, &n, eph_priv, why);
	if (!s)
		sgenl_sa_del(ag->kernel.req, SGENL_SA_BY_SPI, accept->spi);
	sotto_wipe(eph_priv, sizeof(eph_priv));
	sotto_wipe(&n, sizeof(n));
	return s;
}
