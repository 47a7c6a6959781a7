// SPDX-License-Identifier: GPL-2.0
/*
 * The kept policy on disk.
 */
#include "genl_saved.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "jx.h"
#include "paths.h"

#define SAVED_VERSION	1	/* of the file's form */

static const char *origin_name(enum saved_origin origin)
{
	return origin == SAVED_REALM ? "realm" : "local";
}

static int parse_origin(const json_t *o, enum saved_origin *origin,
			struct sotto_errmsg *err)
{
	const char *text;
	int ret = sotto_jx_string(o, "origin", &text, err);

	if (ret)
		return ret;
	if (strcmp(text, "realm") && strcmp(text, "local"))
		return sotto_err(err, SOTTO_E_BAD, "\"origin\" is \"%s\"", text);
	*origin = strcmp(text, "realm") ? SAVED_LOCAL : SAVED_REALM;
	return 0;
}

static bool same_prefix(const struct sotto_prefix *a, const struct sotto_prefix *b)
{
	return a->plen == b->plen && sotto_addr_eq(&a->addr, &b->addr);
}

const struct saved_addr *saved_find_local(const struct saved *s,
					  const struct sotto_prefix *prefix)
{
	for (size_t i = 0; i < s->n_addrs; i++)
		if (same_prefix(&s->addrs[i].prefix, prefix))
			return &s->addrs[i];
	return NULL;
}

const struct saved_policy *saved_find_policy(const struct saved *s,
					     const struct sotto_prefix *prefix)
{
	for (size_t i = 0; i < s->n_policies; i++)
		if (same_prefix(&s->policies[i].policy.prefix, prefix))
			return &s->policies[i];
	return NULL;
}

/* Arrays grow by doubling: full at each power of two. */
static void *grow(void *items, size_t n, size_t size)
{
	if (n & (n - 1))
		return items;
	return reallocarray(items, n ? n * 2 : 1, size);
}

int saved_add_local(struct saved *s, const struct sotto_prefix *prefix,
		    enum saved_origin origin)
{
	struct saved_addr *a = (struct saved_addr *)saved_find_local(s, prefix);

	if (!a) {
		a = grow(s->addrs, s->n_addrs, sizeof(*a));
		if (!a)
			return SOTTO_E_NOMEM;
		s->addrs = a;
		a += s->n_addrs++;
	}
	a->prefix = *prefix;
	a->origin = origin;
	return 0;
}

int saved_add_addr(struct saved *s, const struct sotto_addr *addr,
		   enum saved_origin origin)
{
	struct sotto_prefix prefix = sotto_prefix_host(addr);

	return saved_add_local(s, &prefix, origin);
}

int saved_append_policy(struct saved *s, const struct sgenl_policy *policy,
			enum saved_origin origin)
{
	struct saved_policy *p = grow(s->policies, s->n_policies, sizeof(*p));

	if (!p)
		return SOTTO_E_NOMEM;
	s->policies = p;
	p += s->n_policies++;
	*p = (struct saved_policy){ .policy = *policy, .origin = origin };
	return 0;
}

int saved_add_policy(struct saved *s, const struct sgenl_policy *policy,
		     enum saved_origin origin)
{
	struct saved_policy *p;

	p = (struct saved_policy *)saved_find_policy(s, &policy->prefix);
	if (!p)
		return saved_append_policy(s, policy, origin);
	*p = (struct saved_policy){ .policy = *policy, .origin = origin };
	return 0;
}

void saved_remove_policy(struct saved *s, const struct sotto_prefix *prefix)
{
	struct saved_policy *p = (struct saved_policy *)saved_find_policy(s, prefix);

	if (p && p->origin == SAVED_REALM)
		*p = s->policies[--s->n_policies];
}

void saved_free(struct saved *s)
{
	free(s->addrs);
	free(s->policies);
	memset(s, 0, sizeof(*s));
}

static int read_addr(struct saved *s, const json_t *o, struct sotto_errmsg *err)
{
	enum saved_origin origin;
	struct sotto_prefix prefix;
	int ret = sotto_jx_prefix(o, "address", &prefix, err);

	if (!ret)
		ret = parse_origin(o, &origin, err);
	return ret ? ret : saved_add_local(s, &prefix, origin);
}

static int parse_action(const json_t *o, uint8_t *action, struct sotto_errmsg *err)
{
	const char *text;
	int ret = sotto_jx_string(o, "action", &text, err);

	if (ret)
		return ret;
	ret = sgenl_action_parse(text);
	if (ret < 0)
		return sotto_err(err, SOTTO_E_BAD, "\"action\" is \"%.60s\"", text);
	*action = ret;
	return 0;
}

static int parse_policy(const json_t *o, struct sgenl_policy *p, enum saved_origin *origin,
			struct sotto_errmsg *err)
{
	int ret = sotto_jx_prefix(o, "prefix", &p->prefix, err);

	if (!ret)
		ret = parse_action(o, &p->action, err);
	if (!ret && json_object_get(o, "gateway"))
		ret = sotto_jx_addr(o, "gateway", &p->gateway, err);
	return ret ? ret : parse_origin(o, origin, err);
}

static int read_policy(struct saved *s, const json_t *o, struct sotto_errmsg *err)
{
	struct sgenl_policy p = { 0 };
	enum saved_origin origin;
	int ret = parse_policy(o, &p, &origin, err);

	/* no look for duplicates: it would be quadratic; the kernel merges them */
	return ret ? ret : saved_append_policy(s, &p, origin);
}

static int read_list(struct saved *s, const json_t *root, const char *name,
		     int (*item)(struct saved *, const json_t *, struct sotto_errmsg *),
		     struct sotto_errmsg *err)
{
	const json_t *list = json_object_get(root, name);
	size_t n = json_array_size(list);

	if (!json_is_array(list))
		return sotto_err(err, SOTTO_E_BAD, "\"%s\" is no list", name);
	for (size_t i = 0; i < n; i++) {
		int ret = item(s, json_array_get(list, i), err);

		if (ret)
			return ret;
	}
	return 0;
}

/* Absent: an older agent wrote it, whose version was 0 instead. */
static int read_partial(struct saved *s, const json_t *root, struct sotto_errmsg *err)
{
	const json_t *partial = json_object_get(root, "partial");

	if (partial && !json_is_boolean(partial))
		return sotto_err(err, SOTTO_E_BAD, "\"partial\" is neither true nor false");
	s->partial = json_is_true(partial);
	return 0;
}

static int read_head(struct saved *s, const json_t *root, struct sotto_errmsg *err)
{
	uint64_t version;
	int ret = sotto_jx_u64(root, "version", SAVED_VERSION, SAVED_VERSION,
			       &version, err);

	if (!ret)
		ret = sotto_jx_u64(root, "realm_version", 0, INT64_MAX,
				   &s->realm_version, err);
	return ret ? ret : read_partial(s, root, err);
}

static int read_root(struct saved *s, const json_t *root, struct sotto_errmsg *err)
{
	int ret = read_head(s, root, err);

	if (!ret)
		ret = read_list(s, root, "addresses", read_addr, err);
	if (!ret)
		ret = read_list(s, root, "policies", read_policy, err);
	return ret;
}

/* @read: how much of it */
static int read_text(struct saved *s, const char *path, const char *text, size_t len,
		     int (*read)(struct saved *, const json_t *, struct sotto_errmsg *),
		     struct sotto_errmsg *err)
{
	struct sotto_errmsg why = { 0 };
	json_error_t at;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	int ret;

	if (!root)
		return sotto_err(err, SOTTO_E_BAD, "%s:%d: %.300s", path, at.line, at.text);
	ret = read(s, root, &why);
	json_decref(root);
	if (ret) {
		saved_free(s);
		/* a member that is absent is damage, not the absence of a policy */
		return sotto_err(err, SOTTO_E_BAD, "%s: %.400s", path, why.text);
	}
	return 0;
}

/* ---- a file that is damaged ---- */

/** struct salvage - what is known of the place that is looked at */
struct salvage {
	struct saved *s;
	const char *path;
	unsigned long line;
	bool known;		/* the file's form is ours */
	bool told;
	saved_bad_fn bad;
	void *arg;
};

static void say(struct salvage *v, const char *text)
{
	v->told = true;
	v->bad(v->arg, text);
}

static void tell(struct salvage *v, unsigned long line, const char *what)
{
	struct sotto_errmsg text;

	sotto_err(&text, SOTTO_E_BAD, "%s:%lu: %.400s", v->path, line, what);
	say(v, text.text);
}

static void tell_memory(struct salvage *v)
{
	tell(v, v->line, "out of memory: it is not in force");
}

/* Of what is not understood only what protects: whatever it was, it did not do so less. */
static void guess_policy(struct salvage *v, const json_t *o, const struct sotto_errmsg *why)
{
	struct sgenl_policy p = { .action = SOTTO_ACTION_PROTECT };
	enum saved_origin origin = SAVED_LOCAL;
	struct sotto_errmsg none;

	tell(v, v->line, why->text);
	if (sotto_jx_prefix(o, "prefix", &p.prefix, &none))
		return;
	parse_action(o, &p.action, &none);
	if (p.action == SOTTO_ACTION_BYPASS)
		return;
	if (json_object_get(o, "gateway") && sotto_jx_addr(o, "gateway", &p.gateway, &none))
		memset(&p.gateway, 0, sizeof(p.gateway));
	parse_origin(o, &origin, &none);
	if (saved_append_policy(v->s, &p, origin))
		tell_memory(v);
	else
		v->s->policies[v->s->n_policies - 1].guessed = true;
}

static void salvage_policy(struct salvage *v, const json_t *o)
{
	struct sgenl_policy p = { 0 };
	enum saved_origin origin;
	struct sotto_errmsg why;
	int ret = parse_policy(o, &p, &origin, &why);

	if (!ret && !v->known && p.action == SOTTO_ACTION_BYPASS)
		ret = sotto_err(&why, SOTTO_E_BAD, "left out: a bypass of a file that is not understood");
	if (ret)
		guess_policy(v, o, &why);
	else if (saved_append_policy(v->s, &p, origin))
		tell_memory(v);
}

static void salvage_addr(struct salvage *v, const json_t *o)
{
	struct sotto_errmsg why;
	int ret = v->s->n_addrs < SAVED_ADDRS_MAX ? read_addr(v->s, o, &why) :
		  sotto_err(&why, SOTTO_E_LIMIT, "more than %d addresses", SAVED_ADDRS_MAX);

	if (ret)
		tell(v, v->line, why.text);
}

/* From a brace to the next one that closes. */
static void salvage_entry(struct salvage *v, const char *text, size_t len)
{
	struct sotto_errmsg why;
	json_error_t at;
	json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);

	if (!o) {
		sotto_err(&why, SOTTO_E_BAD, "an entry cannot be read: %.300s", at.text);
		tell(v, v->line + (at.line > 0 ? at.line - 1 : 0), why.text);
	} else if (json_object_get(o, "prefix")) {
		salvage_policy(v, o);
	} else if (json_object_get(o, "address")) {
		salvage_addr(v, o);
	} else if (!json_object_get(o, "version")) {
		tell(v, v->line, "an entry has neither prefix nor address");
	}
	json_decref(o);
}

/* Entries have no braces within: so each stands for itself, whatever became of the others. */
static void salvage_all(struct salvage *v, const char *text, size_t len)
{
	const char *end = text + len, *at, *next;
	bool first = true;

	v->line = 1;
	for (at = text; at < end; at++) {
		v->line += *at == '\n';
		if (*at != '{')
			continue;
		for (next = at + 1; next < end && *next != '{' && *next != '}';)
			next++;
		if (next < end && *next == '}')
			salvage_entry(v, at, next + 1 - at);
		else if (!first)
			tell(v, v->line, "an entry without its end");
		first = false;
	}
}

/* The form is the first thing in a file of ours. */
static bool is_known(const char *text)
{
	static const char name[] = "\"version\"";
	const char *at = strstr(text, name);

	if (!at)
		return false;
	at += sizeof(name) - 1;
	at += strspn(at, " \t\r\n:");
	return strtol(at, NULL, 10) == SAVED_VERSION;
}

static int read_file(const char *path, char **text, size_t *len, struct sotto_errmsg *err)
{
	int ret;

	*len = 0;
	*text = malloc(SAVED_MAX + 1);
	if (!*text)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	ret = sotto_file_read(path, false, *text, SAVED_MAX, len, err);
	(*text)[*len] = 0;
	return ret;
}

int saved_read(struct saved *s, struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX], *text;
	size_t len;
	int ret;

	memset(s, 0, sizeof(*s));
	ret = read_file(sotto_path(path, SOTTO_STATE, SAVED_FILE), &text, &len, err);
	if (!ret)
		ret = read_text(s, path, text, len, read_root, err);
	free(text);
	return ret;
}

/* Entries are told of one by one; what is wrong beside them is not in any. */
static void salvage(struct salvage *v, const char *text, size_t len)
{
	struct sotto_errmsg err;

	if (read_text(v->s, v->path, text, len, read_head, &err))
		say(v, err.text);
	v->s->realm_version = 0;
	v->known = is_known(text);
	salvage_all(v, text, len);
}

int saved_salvage(struct saved *s, saved_bad_fn bad, void *arg, struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX], *text;
	struct salvage v = { .s = s, .path = path, .bad = bad, .arg = arg };
	size_t len;
	int ret;

	memset(s, 0, sizeof(*s));
	ret = read_file(sotto_path(path, SOTTO_STATE, SAVED_FILE), &text, &len, err);
	if (ret && ret != SOTTO_E_UNKNOWN)
		say(&v, err->text);
	if (!ret)
		ret = read_text(s, path, text, len, read_root, err);
	if (ret && ret != SOTTO_E_UNKNOWN) {
		if (len)
			salvage(&v, text, len);
		s->partial = true;
		if (!v.told)
			say(&v, err->text);
	}
	free(text);
	return ret;
}

static json_t *addrs_json(const struct saved *s)
{
	json_t *list = json_array();
	char buf[SOTTO_PREFIX_STR];

	for (size_t i = 0; i < s->n_addrs; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}",
			"address", sotto_prefix_brief(&s->addrs[i].prefix, buf),
			"origin", origin_name(s->addrs[i].origin)));
	return list;
}

static json_t *policies_json(const struct saved *s)
{
	json_t *list = json_array();
	char buf[SOTTO_PREFIX_STR], gateway[SOTTO_ADDR_STR];

	for (size_t i = 0; i < s->n_policies; i++) {
		const struct saved_policy *p = &s->policies[i];
		json_t *o = json_pack("{s:s, s:s, s:s}",
			"prefix", sotto_prefix_str(&p->policy.prefix, buf),
			"action", sgenl_action_name(p->policy.action),
			"origin", origin_name(p->origin));

		if (p->policy.gateway.len)
			json_object_set_new(o, "gateway", json_string(
				sotto_addr_str(&p->policy.gateway, gateway)));
		json_array_append_new(list, o);
	}
	return list;
}

int saved_write(const struct saved *s, struct sotto_errmsg *err)
{
	char path[SOTTO_PATH_MAX];
	json_t *root = json_pack("{s:i, s:I, s:b, s:o, s:o}", "version", SAVED_VERSION,
				 "realm_version", (json_int_t)s->realm_version,
				 "partial", s->partial,
				 "addresses", addrs_json(s),
				 "policies", policies_json(s));
	char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	int ret;

	json_decref(root);
	if (!text)
		return sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	sotto_path(path, SOTTO_STATE, "agent");
	ret = sotto_mkdirs(path, 0700, err);
	sotto_path(path, SOTTO_STATE, SAVED_FILE);
	if (!ret)
		ret = sotto_file_write(path, 0600, true, text, strlen(text), err);
	free(text);
	return ret;
}

static int compare_policies(const void *a, const void *b)
{
	const struct saved_policy *x = a, *y = b;
	int order = sotto_addr_cmp(&x->policy.prefix.addr, &y->policy.prefix.addr);

	return order ? order : x->policy.prefix.plen - y->policy.prefix.plen;
}

/* Lists can be long: what is looked up in is sorted first. NULL without memory. */
static struct saved_policy *sorted_policies(const struct saved *s)
{
	struct saved_policy *v = calloc(s->n_policies + 1, sizeof(*v));

	if (!v)
		return NULL;
	if (s->n_policies)
		memcpy(v, s->policies, s->n_policies * sizeof(*v));
	qsort(v, s->n_policies, sizeof(*v), compare_policies);
	return v;
}

static int apply_addrs(struct sgenl *g, const struct saved *s)
{
	int first = 0;

	for (size_t i = 0; i < s->n_addrs; i++) {
		int ret = sgenl_local_add(g, &s->addrs[i].prefix);

		if (ret && ret != -EEXIST && !first)
			first = ret;
	}
	return first;
}

int saved_add_to_kernel(struct sgenl *g, const struct saved_policy *p)
{
	int ret = sgenl_policy_add(g, &p->policy, !p->guessed);

	return p->guessed && ret == -EEXIST ? 0 : ret;
}

int saved_apply_changes(struct sgenl *g, const struct saved *old,
			const struct saved *now)
{
	struct saved_policy *before = sorted_policies(old);
	int first = 0, ret;

	if (!before)
		return -ENOMEM;
	for (size_t i = 0; i < now->n_policies; i++) {
		const struct saved_policy *p = &now->policies[i];
		const struct saved_policy *b = bsearch(p, before, old->n_policies,
						       sizeof(*before), compare_policies);

		if (b && b->policy.action == p->policy.action &&
		    sotto_addr_eq(&b->policy.gateway, &p->policy.gateway))
			continue;
		ret = saved_add_to_kernel(g, p);
		if (ret && !first)
			first = ret;
	}
	free(before);
	ret = apply_addrs(g, now);
	return first ? first : ret;
}

int saved_apply(struct sgenl *g, const struct saved *s)
{
	static const struct saved nothing;

	return saved_apply_changes(g, &nothing, s);
}

static int retire_policies(struct sgenl *g, const struct saved *old,
			   const struct saved *now)
{
	struct saved_policy *after = sorted_policies(now);
	int first = 0;

	if (!after)
		return -ENOMEM;
	for (size_t i = 0; i < old->n_policies; i++) {
		int ret;

		if (bsearch(&old->policies[i], after, now->n_policies,
			    sizeof(*after), compare_policies))
			continue;
		ret = sgenl_policy_del(g, &old->policies[i].policy.prefix);
		if (ret && ret != -ENOENT && !first)
			first = ret;
	}
	free(after);
	return first;
}

int saved_keep(struct saved *now, const struct saved *old)
{
	struct saved_policy *have = sorted_policies(now);
	size_t n = now->n_policies;
	int ret = have ? 0 : SOTTO_E_NOMEM;

	for (size_t i = 0; !ret && i < old->n_policies; i++)
		if (!bsearch(&old->policies[i], have, n, sizeof(*have), compare_policies))
			ret = saved_append_policy(now, &old->policies[i].policy,
						  old->policies[i].origin);
	free(have);
	return ret;
}

int saved_take_local(struct saved *s, const struct saved *file)
{
	size_t n = 0;
	int ret = 0;

	for (size_t i = 0; i < s->n_policies; i++)
		if (s->policies[i].origin != SAVED_LOCAL)
			s->policies[n++] = s->policies[i];
	s->n_policies = n;
	for (size_t i = n = 0; i < s->n_addrs; i++)
		if (s->addrs[i].origin != SAVED_LOCAL)
			s->addrs[n++] = s->addrs[i];
	s->n_addrs = n;
	for (size_t i = 0; !ret && i < file->n_policies; i++)
		if (file->policies[i].origin == SAVED_LOCAL &&
		    !saved_find_policy(s, &file->policies[i].policy.prefix))
			ret = saved_append_policy(s, &file->policies[i].policy, SAVED_LOCAL);
	for (size_t i = 0; !ret && i < file->n_addrs; i++)
		if (file->addrs[i].origin == SAVED_LOCAL &&
		    !saved_find_local(s, &file->addrs[i].prefix))
			ret = saved_add_local(s, &file->addrs[i].prefix, SAVED_LOCAL);
	return ret;
}

int saved_retire(struct sgenl *g, const struct saved *old,
		 const struct saved *now)
{
	int first = retire_policies(g, old, now);

	for (size_t i = 0; i < old->n_addrs; i++) {
		int ret;

		if (saved_find_local(now, &old->addrs[i].prefix))
			continue;
		ret = sgenl_local_del(g, &old->addrs[i].prefix);
		if (ret && ret != -ENOENT && !first)
			first = ret;
	}
	return first;
}
