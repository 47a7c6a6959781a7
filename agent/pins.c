// SPDX-License-Identifier: GPL-2.0
/*
 * Pins: the static keys that this host believes in, whatever the server says.
 */
#include "pins.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../tools/lib/enrol.h"
#include "../tools/lib/log.h"
#include "agent.h"
#include "requests.h"
#include "routes.h"

int pins_load(struct agent *ag, struct sotto_errmsg *err)
{
	if (peers_load(&ag->pins, PINS_FILE))
		return sotto_err(err, SOTTO_E_IO,
				 "cannot read the pins: " PINS_FILE " is damaged or not readable");
	peers_keep(&ag->pins, PINS_FILE);	/* its last line was cut off */
	return 0;
}

/* The pinned key of @name, or NULL. */
static const uint8_t *pinned(struct agent *ag, const char *name)
{
	const uint8_t *pin = conf_pin(&ag->conf, name);

	return pin ? pin : peers_find(&ag->pins, name);
}

bool pins_fit(struct agent *ag, const char *name, const uint8_t pub[SOTTO_PUB_LEN])
{
	const uint8_t *pin = pinned(ag, name);

	return !pin || !memcmp(pin, pub, SOTTO_PUB_LEN);
}

/* @p is one whose addresses are held to, by a pin of the configuration or of the file. */
static bool is_held(struct agent *ag, const struct peer *p)
{
	const uint8_t *pin = pinned(ag, p->name);

	return pin && !memcmp(pin, p->pub, SOTTO_PUB_LEN);
}

static bool claims(const struct sotto_party *peer, const struct sotto_addrs *addrs)
{
	for (unsigned int i = 0; i < addrs->n; i++)
		if (sotto_addrs_have(&peer->addrs, &addrs->a[i]) ||
		    routes_cover(&peer->routes, &addrs->a[i]))
			return true;
	return false;
}

/* There may be many, and sessions too: names are looked for only where an address fits. */
static const char *owner_among(struct agent *ag, const struct peers *all,
			       const struct sotto_party *peer)
{
	for (size_t i = 0; i < all->n; i++)
		if (claims(peer, &all->v[i].addrs) && strcmp(all->v[i].name, peer->name) &&
		    is_held(ag, &all->v[i]))
			return all->v[i].name;
	return NULL;
}

const char *pins_owner(struct agent *ag, const struct sotto_party *peer)
{
	const char *met = owner_among(ag, &ag->peers, peer);

	return met ? met : owner_among(ag, &ag->pins, peer);	/* by what the user gave */
}

/* The key is shown to be compared, not to be believed: it is the server that says it. */
static void advise(struct agent *ag, const struct sotto_party *peer, char buf[PINS_ADVICE_MAX])
{
	const char *owner = pins_owner(ag, peer);
	char key[44];

	buf[0] = 0;
	sotto_key_text(key, peer->static_pub);
	if (pins_fit(ag, peer->name, peer->static_pub)) {
		if (owner)
			snprintf(buf, PINS_ADVICE_MAX,
				 "if %s has given it up: \"sotto peer unpin %s\"", owner, owner);
	} else if (conf_pin(&ag->conf, peer->name)) {
		snprintf(buf, PINS_ADVICE_MAX,
			 "if \"sotto status\" on %s shows the key %s: change its pin in sotto.conf",
			 peer->name, key);
	} else {
		snprintf(buf, PINS_ADVICE_MAX,
			 "if \"sotto status\" on %s shows the key %s: \"sotto peer pin %s %s\"",
			 peer->name, key, peer->name, key);
	}
}

void pins_refused(struct agent *ag, const struct sotto_party *peer, uint64_t session)
{
	const char *owner = pins_owner(ag, peer);
	char advice[PINS_ADVICE_MAX];

	ag->refused = *peer;
	advise(ag, peer, advice);
	if (!pins_fit(ag, peer->name, peer->static_pub))
		sotto_err_log("peer %s: session %016" PRIx64 ": its static key is not the pinned one; refused (%s)",
			      peer->name, session, advice);
	else
		sotto_err_log("peer %s: session %016" PRIx64 ": it is said to have an address of %s, whose key is pinned; refused (%s)",
			      peer->name, session, owner, advice);
}

void pins_advice(struct agent *ag, const struct sotto_addr *addr, char buf[PINS_ADVICE_MAX])
{
	const struct sotto_party *peer = &ag->refused;

	buf[0] = 0;
	if (sotto_addrs_have(&peer->addrs, addr) || routes_cover(&peer->routes, addr))
		advise(ag, peer, buf);
}

static int each_among(struct agent *ag, const struct peers *all,
		      int (*fn)(void *arg, const struct sotto_addr *addr), void *arg)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < all->n; i++) {
		const struct sotto_addrs *addrs = &all->v[i].addrs;

		for (unsigned int j = 0; !ret && j < addrs->n && is_held(ag, &all->v[i]); j++)
			ret = fn(arg, &addrs->a[j]);
	}
	return ret;
}

int pins_each_addr(struct agent *ag, int (*fn)(void *arg, const struct sotto_addr *addr),
		   void *arg)
{
	int ret = each_among(ag, &ag->peers, fn, arg);

	return ret ? ret : each_among(ag, &ag->pins, fn, arg);
}

/* A pin that is new, or has news. */
struct pin {
	const char *name;
	const uint8_t *key;
	const struct sotto_addrs *met, *given;
};

static bool covers_any(const struct session *s, const struct sotto_addrs *addrs)
{
	for (unsigned int i = 0; addrs && i < addrs->n; i++)
		if (session_covers(s, &addrs->a[i]))
			return true;
	return false;
}

/* As it is for sessions that are made from now on. */
static void look_back(struct session *s, void *arg)
{
	const struct pin *pin = arg;

	if (strcmp(s->peer, pin->name) ? covers_any(s, pin->met) || covers_any(s, pin->given) :
					 memcmp(s->peer_pub, pin->key, SOTTO_PUB_LEN))
		session_doubt(s);
}

void pins_news(struct agent *ag, const char *name)
{
	struct pin pin = { .name = name, .key = pinned(ag, name) };

	if (!pin.key)
		return;
	pin.met = peers_addrs(&ag->peers, name, pin.key);
	pin.given = peers_addrs(&ag->pins, name, pin.key);
	if (pin.met)
		policy_pinned(ag, pin.met);
	if (pin.given)
		policy_pinned(ag, pin.given);
	session_each(ag, look_back, &pin);
}

void pins_met(struct agent *ag, const struct sotto_party *peer)
{
	bool known = peers_find(&ag->pins, peer->name);
	const char *name = peer->name;
	struct sotto_errmsg err;

	if (conf_pin(&ag->conf, name) ||
	    (!known && !ag->conf.first_use && !ag->realm_first_use))
		return;
	if (peers_set(&ag->pins, name, peer->static_pub)) {
		sotto_err_log("peer %s: cannot be pinned on first use: out of memory", name);
		return;
	}
	if (!peers_add_addrs(&ag->pins, name, &peer->addrs) && known)
		return;
	if (peers_append(&ag->pins, PINS_FILE, name, &err))
		sotto_err_log("peer %s: its pin is not on the disk yet: %s", name, err.text);
	if (!known)
		sotto_notice("peer %s: pinned on first use", name);
	pins_news(ag, name);
}

void pins_realm(struct agent *ag, bool first_use)
{
	ag->realm_first_use = first_use;
}

int pins_add(struct agent *ag, const char *name, const uint8_t *pub,
	     const struct sotto_addrs *addrs, struct sotto_errmsg *err)
{
	if (conf_pin(&ag->conf, name))
		return sotto_err(err, SOTTO_E_EXISTS, "%s is pinned in the configuration file",
				 name);
	if (!pub)
		pub = peers_find(&ag->peers, name);
	if (!pub)
		return sotto_err(err, SOTTO_E_UNKNOWN,
				 "%s was never spoken to: give its key", name);
	if (peers_set(&ag->pins, name, pub))
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	if (addrs)
		peers_add_addrs(&ag->pins, name, addrs);
	pins_news(ag, name);
	/* "sotto policy save" may be next: what the file does not know it takes for the user's own */
	policy_keep(ag);
	return peers_write(&ag->pins, PINS_FILE, err);
}

int pins_del(struct agent *ag, const char *name, struct sotto_errmsg *err)
{
	if (conf_pin(&ag->conf, name))
		return sotto_err(err, SOTTO_E_STATE,
				 "%s is pinned in the configuration file: take it out there", name);
	if (!peers_find(&ag->pins, name))
		return sotto_err(err, SOTTO_E_UNKNOWN, "%s is not pinned", name);
	peers_remove(&ag->pins, name);
	/* what was protected for the pin's sake is the realm's again */
	request_policy(ag);
	return peers_write(&ag->pins, PINS_FILE, err);
}

static void add_json(struct agent *ag, json_t *list, const char *name, const uint8_t *pub)
{
	const uint8_t *pin = pinned(ag, name);
	json_t *o = json_object();
	char key[44];

	json_object_set_new(o, "name", json_string(name));
	if (pub)
		json_object_set_new(o, "key", json_string(sotto_key_text(key, pub)));
	if (pin)
		json_object_set_new(o, "pin", json_string(sotto_key_text(key, pin)));
	json_object_set_new(o, "by", json_string(!pin ? "" : conf_pin(&ag->conf, name) ?
						 "configuration" : "pin"));
	json_array_append_new(list, o);
}

json_t *pins_json(struct agent *ag)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ag->peers.n; i++)
		add_json(ag, list, ag->peers.v[i].name, ag->peers.v[i].pub);
	for (size_t i = 0; i < ag->pins.n; i++)
		if (!peers_find(&ag->peers, ag->pins.v[i].name))
			add_json(ag, list, ag->pins.v[i].name, NULL);
	for (unsigned int i = 0; i < ag->conf.n_pins; i++)
		if (!peers_find(&ag->peers, ag->conf.pins[i].name))
			add_json(ag, list, ag->conf.pins[i].name, NULL);
	return json_pack("{s:o, s:b}", "peers", list,
			 "first_use", ag->conf.first_use || ag->realm_first_use);
}
