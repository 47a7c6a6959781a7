// SPDX-License-Identifier: GPL-2.0
/*
 * Names of the module's enumerated values.
 */
#include "genl_obj.h"

#include <errno.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const action_names[] = {
	[SOTTO_ACTION_BYPASS] = "bypass",
	[SOTTO_ACTION_PROTECT] = "protect",
	[SOTTO_ACTION_PREFER] = "prefer",
	[SOTTO_ACTION_BLOCK] = "block",
};

static const char *const state_names[] = {
	[SOTTO_TUNNEL_ACQUIRING] = "acquiring",
	[SOTTO_TUNNEL_UP] = "up",
	[SOTTO_TUNNEL_FAILED] = "failed",
	[SOTTO_TUNNEL_CLEAR] = "clear",
};

static const char *const cipher_names[] = {
	[SOTTO_CIPHER_UNSPEC] = "none",
	[SOTTO_CIPHER_AES256_GCM] = "aes256gcm",
	[SOTTO_CIPHER_CHACHA20_POLY1305] = "chacha20poly1305",
};

static const char *const dir_names[] = {
	[SOTTO_SA_IN] = "in",
	[SOTTO_SA_OUT] = "out",
};

static const char *const mode_names[] = {
	[SOTTO_SA_MODE_TRANSPORT] = "transport",
	[SOTTO_SA_MODE_TUNNEL] = "tunnel",
};

static const char *const reason_names[] = {
	[SOTTO_REASON_NONE] = "none",
	[SOTTO_REASON_TIMEOUT] = "timeout",
	[SOTTO_REASON_NO_AGENT] = "no_agent",
	[SOTTO_REASON_NO_SERVER] = "no_server",
	[SOTTO_REASON_NOT_MEMBER] = "not_member",
	[SOTTO_REASON_DENIED] = "denied",
	[SOTTO_REASON_PEER_OFFLINE] = "peer_offline",
	[SOTTO_REASON_PEER_REFUSED] = "peer_refused",
	[SOTTO_REASON_REVOKED] = "revoked",
	[SOTTO_REASON_LIMIT] = "limit",
	[SOTTO_REASON_PIN] = "pin",
	[SOTTO_REASON_INTERNAL] = "internal",
	[SOTTO_REASON_REROUTE] = "reroute",
};

static const char *const reason_texts[] = {
	[SOTTO_REASON_NONE] = "no reason given",
	[SOTTO_REASON_TIMEOUT] = "no answer came in time",
	[SOTTO_REASON_NO_AGENT] = "no agent runs here",
	[SOTTO_REASON_NO_SERVER] = "the agent cannot reach the server",
	[SOTTO_REASON_NOT_MEMBER] = "no member of the realm has this address",
	[SOTTO_REASON_DENIED] = "the realm's rules forbid it",
	[SOTTO_REASON_PEER_OFFLINE] = "the peer has no association with the server",
	[SOTTO_REASON_PEER_REFUSED] = "the peer refused",
	[SOTTO_REASON_REVOKED] = "this host or the peer was revoked",
	[SOTTO_REASON_LIMIT] = "a limit was reached",
	[SOTTO_REASON_PIN] = "the peer's key is not the pinned one",
	[SOTTO_REASON_INTERNAL] = "the agent failed; its log says more",
	[SOTTO_REASON_REROUTE] = "policy has changed; packets take another way",
};

static const char *const event_names[] = {
	[SOTTO_EVENT_ACQUIRE] = "acquire",
	[SOTTO_EVENT_KEYED] = "keyed",
	[SOTTO_EVENT_REKEYED] = "rekeyed",
	[SOTTO_EVENT_CONFIRMED] = "confirmed",
	[SOTTO_EVENT_REFUSED] = "refused",
	[SOTTO_EVENT_SA_SOFT] = "sa_soft",
	[SOTTO_EVENT_SA_HARD] = "sa_hard",
	[SOTTO_EVENT_SA_DELETED] = "sa_deleted",
	[SOTTO_EVENT_UNKNOWN_SPI] = "unknown_spi",
	[SOTTO_EVENT_DROP] = "drop",
	[SOTTO_EVENT_AGENT] = "agent",
	[SOTTO_EVENT_POLICY] = "policy",
	[SOTTO_EVENT_ENDPOINT] = "endpoint",
};

static const char *const verdict_names[] = {
	[SOTTO_VERDICT_PASS_DOWN] = "pass_down",
	[SOTTO_VERDICT_PASS_EXEMPT] = "pass_exempt",
	[SOTTO_VERDICT_PASS_BYPASS] = "pass_bypass",
	[SOTTO_VERDICT_PASS_CLEAR] = "pass_clear",
	[SOTTO_VERDICT_SEAL] = "seal",
	[SOTTO_VERDICT_QUEUE] = "queue",
	[SOTTO_VERDICT_DROP_BLOCK] = "drop_block",
	[SOTTO_VERDICT_DROP_SOURCE] = "drop_source",
	[SOTTO_VERDICT_DROP_FAILED] = "drop_failed",
	[SOTTO_VERDICT_DROP_LIMIT] = "drop_limit",
	[SOTTO_VERDICT_NO_ROUTE] = "no_route",
};

#define STAT_NAME(sym, name) [SOTTO_STAT_##sym] = (name),
static const char *const stat_names[] = {
	SOTTO_STATS(STAT_NAME)
};

_Static_assert(COUNT(action_names) == __SOTTO_ACTION_MAX, "an action lacks a name");
_Static_assert(COUNT(cipher_names) == __SOTTO_CIPHER_MAX, "a cipher lacks a name");
_Static_assert(COUNT(reason_names) == __SOTTO_REASON_MAX, "a reason lacks a name");
_Static_assert(COUNT(reason_texts) == __SOTTO_REASON_MAX, "a reason lacks a text");
_Static_assert(COUNT(event_names) == __SOTTO_EVENT_MAX, "an event lacks a name");

static const char *pick(const char *const *names, size_t n, unsigned int value)
{
	return value < n && names[value] ? names[value] : "unknown";
}

static int find(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (names[i] && !strcmp(names[i], name))
			return i;
	return -EINVAL;
}

const char *sgenl_action_name(unsigned int action)
{
	return pick(action_names, COUNT(action_names), action);
}

const char *sgenl_state_name(unsigned int state)
{
	return pick(state_names, COUNT(state_names), state);
}

const char *sgenl_cipher_name(unsigned int cipher)
{
	return pick(cipher_names, COUNT(cipher_names), cipher);
}

const char *sgenl_dir_name(unsigned int dir)
{
	return pick(dir_names, COUNT(dir_names), dir);
}

const char *sgenl_mode_name(unsigned int mode)
{
	return pick(mode_names, COUNT(mode_names), mode);
}

const char *sgenl_reason_name(unsigned int reason)
{
	return pick(reason_names, COUNT(reason_names), reason);
}

const char *sgenl_reason_text(unsigned int reason)
{
	return pick(reason_texts, COUNT(reason_texts), reason);
}

const char *sgenl_event_name(unsigned int event)
{
	return pick(event_names, COUNT(event_names), event);
}

const char *sgenl_verdict_name(unsigned int verdict)
{
	return pick(verdict_names, COUNT(verdict_names), verdict);
}

const char *sgenl_stat_name(unsigned int stat)
{
	return pick(stat_names, COUNT(stat_names), stat);
}

int sgenl_action_parse(const char *name)
{
	return find(action_names, COUNT(action_names), name);
}

int sgenl_mode_parse(const char *name)
{
	return find(mode_names, COUNT(mode_names), name);
}

int sgenl_cipher_parse(const char *name)
{
	int cipher = find(cipher_names, COUNT(cipher_names), name);

	return cipher == SOTTO_CIPHER_UNSPEC ? -EINVAL : cipher;
}
