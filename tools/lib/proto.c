// SPDX-License-Identifier: GPL-2.0
/*
 * Coding of messages by their tables: one pair of functions per form of value.
 */
#include "proto.h"

#include <string.h>

#include "buf.h"
#include "err.h"
#include "secret.h"

bool sotto_name_valid(const char *name)
{
	size_t i, len = strnlen(name, SOTTO_NAME_MAX);

	if (len == 0 || len >= SOTTO_NAME_MAX)
		return false;
	for (i = 0; i < len; i++) {
		char c = name[i];

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			continue;
		if (i == 0 || (c != '-' && c != '.'))
			return false;
	}
	return true;
}

/* Printable ASCII and bytes above: no control characters. */
bool sotto_addrs_have(const struct sotto_addrs *list, const struct sotto_addr *addr)
{
	for (unsigned int i = 0; i < list->n; i++)
		if (sotto_addr_eq(&list->a[i], addr))
			return true;
	return false;
}

static bool text_valid(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return true;
}

static bool life_valid(const struct sotto_lifetimes *l)
{
	return l->hard_s && l->soft_s <= l->hard_s &&
	       (!l->hard_packets || l->soft_packets <= l->hard_packets) &&
	       (!l->hard_bytes || l->soft_bytes <= l->hard_bytes);
}

/* Bits past the prefix are zero. */
static bool prefix_valid(const struct sotto_prefix *p)
{
	return p->plen <= p->addr.len * 8 &&
	       sotto_prefix_contains(p, &p->addr);
}

static bool policy_valid(const struct sotto_policy_entry *e)
{
	return (e->action < __SOTTO_ACTION_MAX ||
		e->action == SOTTO_POLICY_REMOVE) && prefix_valid(&e->prefix);
}

/* ---- writing; each sets w->err to SOTTO_E_VALUE for bad contents ---- */

static void put_addr(struct sotto_wbuf *w, const struct sotto_addr *a)
{
	if (a->len != 4 && a->len != 16) {
		w->err = SOTTO_E_VALUE;
		return;
	}
	sotto_put_u8(w, a->len);
	sotto_put_bytes(w, a->b, a->len);
}

static void put_addrs(struct sotto_wbuf *w, const struct sotto_addrs *as)
{
	int i;

	if (as->n > SOTTO_ADDRS_MAX)
		w->err = SOTTO_E_VALUE;
	for (i = 0; !w->err && i < as->n; i++)
		put_addr(w, &as->a[i]);
}

static void put_ciphers(struct sotto_wbuf *w, const struct sotto_ciphers *cs)
{
	if (cs->n == 0 || cs->n > SOTTO_CIPHERS_MAX)
		w->err = SOTTO_E_VALUE;
	else
		sotto_put_bytes(w, cs->c, cs->n);
}

static void put_life(struct sotto_wbuf *w, const struct sotto_lifetimes *l)
{
	if (!life_valid(l))
		w->err = SOTTO_E_VALUE;
	sotto_put_u32(w, l->soft_s);
	sotto_put_u32(w, l->hard_s);
	sotto_put_u64(w, l->soft_packets);
	sotto_put_u64(w, l->hard_packets);
	sotto_put_u64(w, l->soft_bytes);
	sotto_put_u64(w, l->hard_bytes);
}

static void put_lives(struct sotto_wbuf *w, const struct sotto_lives *ls)
{
	int i;

	if (ls->n > SOTTO_LIVE_MAX)
		w->err = SOTTO_E_VALUE;
	for (i = 0; !w->err && i < ls->n; i++) {
		sotto_put_u64(w, ls->l[i].session_id);
		sotto_put_u32(w, ls->l[i].spi);
		sotto_put_bytes(w, ls->l[i].peer_key, SOTTO_PUB_LEN);
	}
}

static void put_ids(struct sotto_wbuf *w, const struct sotto_ids *ids)
{
	int i;

	if (ids->n > SOTTO_IDS_MAX)
		w->err = SOTTO_E_VALUE;
	for (i = 0; !w->err && i < ids->n; i++)
		sotto_put_u64(w, ids->id[i]);
}

static void put_policies(struct sotto_wbuf *w, const struct sotto_policies *ps)
{
	int i;

	if (ps->n > SOTTO_POLICIES_MAX)
		w->err = SOTTO_E_VALUE;
	for (i = 0; !w->err && i < ps->n; i++) {
		if (!policy_valid(&ps->e[i]))
			w->err = SOTTO_E_VALUE;
		sotto_put_u8(w, ps->e[i].action);
		sotto_put_u8(w, ps->e[i].prefix.plen);
		put_addr(w, &ps->e[i].prefix.addr);
	}
}

static void put_prefixes(struct sotto_wbuf *w, const struct sotto_prefixes *ps)
{
	int i;

	if (ps->n > SOTTO_ROUTES_MAX)
		w->err = SOTTO_E_VALUE;
	for (i = 0; !w->err && i < ps->n; i++) {
		if (!prefix_valid(&ps->p[i]))
			w->err = SOTTO_E_VALUE;
		sotto_put_u8(w, ps->p[i].plen);
		put_addr(w, &ps->p[i].addr);
	}
}

static void put_vias(struct sotto_wbuf *w, const struct sotto_vias *vs)
{
	int i;

	if (vs->n > SOTTO_VIAS_MAX)
		w->err = SOTTO_E_VALUE;
	for (i = 0; !w->err && i < vs->n; i++) {
		if (!sotto_name_valid(vs->v[i].name)) {
			w->err = SOTTO_E_VALUE;
			return;
		}
		sotto_put_u8(w, vs->v[i].entry);
		sotto_put_u8(w, strlen(vs->v[i].name));
		sotto_put_bytes(w, vs->v[i].name, strlen(vs->v[i].name));
	}
}

static void put_ticket(struct sotto_wbuf *w, const struct sotto_ticket *t)
{
	if (t->n < SOTTO_TICKET_MIN || t->n > SOTTO_TICKET_MAX)
		w->err = SOTTO_E_VALUE;
	else
		sotto_put_bytes(w, t->b, t->n);
}

static void put_string(struct sotto_wbuf *w, const char *s, size_t size,
		       bool name)
{
	size_t len = strnlen(s, size);

	if (len == size || !text_valid(s, len) || (name && !sotto_name_valid(s)))
		w->err = SOTTO_E_VALUE;
	else
		sotto_put_bytes(w, s, len);
}

static void put_value(struct sotto_wbuf *w, const struct sotto_field *f,
		      const void *p)
{
	switch (f->form) {
	case SOTTO_FORM_U8:
		return sotto_put_u8(w, *(const uint8_t *)p);
	case SOTTO_FORM_U16:
		return sotto_put_u16(w, *(const uint16_t *)p);
	case SOTTO_FORM_U32:
		return sotto_put_u32(w, *(const uint32_t *)p);
	case SOTTO_FORM_U64:
		return sotto_put_u64(w, *(const uint64_t *)p);
	case SOTTO_FORM_BYTES:
		return sotto_put_bytes(w, p, f->len);
	case SOTTO_FORM_NAME:
		return put_string(w, p, f->len, true);
	case SOTTO_FORM_TEXT:
		return put_string(w, p, f->len, false);
	case SOTTO_FORM_ADDR:
		return put_addr(w, p);
	case SOTTO_FORM_ADDRS:
		return put_addrs(w, p);
	case SOTTO_FORM_CIPHERS:
		return put_ciphers(w, p);
	case SOTTO_FORM_LIFE:
		return put_life(w, p);
	case SOTTO_FORM_LIVES:
		return put_lives(w, p);
	case SOTTO_FORM_IDS:
		return put_ids(w, p);
	case SOTTO_FORM_POLICIES:
		return put_policies(w, p);
	case SOTTO_FORM_PREFIXES:
		return put_prefixes(w, p);
	case SOTTO_FORM_VIAS:
		return put_vias(w, p);
	case SOTTO_FORM_TICKET:
		return put_ticket(w, p);
	}
}

/* What a number alone can tell; the rest is for those who use it. */
static bool value_valid(const struct sotto_field *f, const void *p)
{
	switch (f->attr) {
	case SOTTO_ATTR_SPI:
		return *(const uint32_t *)p >= SOTTO_SPI_MIN;
	case SOTTO_ATTR_DATA_PORT:
		return *(const uint16_t *)p != 0;
	case SOTTO_ATTR_CIPHER:
		return *(const uint8_t *)p != SOTTO_CIPHER_UNSPEC;
	case SOTTO_ATTR_MODE:
		return *(const uint8_t *)p == SOTTO_MODE_TUNNEL;
	case SOTTO_ATTR_NAT:
		return *(const uint8_t *)p && *(const uint8_t *)p <= (SOTTO_NAT_PEER | SOTTO_NAT_SELF);
	case SOTTO_ATTR_SESSION_ID:
	case SOTTO_ATTR_REQUEST_ID:
	case SOTTO_ATTR_REKEY_OF:
	case SOTTO_ATTR_POLICY_BASE:
	case SOTTO_ATTR_LISTING:
		return *(const uint64_t *)p != 0;
	default:
		return true;
	}
}

static bool is_empty(const struct sotto_field *f, const void *p)
{
	switch (f->form) {
	/* lists begin with their count, texts with their first character, and so on */
	case SOTTO_FORM_TEXT:
	case SOTTO_FORM_ADDR:
	case SOTTO_FORM_PREFIXES:
	case SOTTO_FORM_VIAS:
	case SOTTO_FORM_TICKET:
		return *(const char *)p == 0;
	case SOTTO_FORM_U64:
		return *(const uint64_t *)p == 0;
	default:
		return sotto_all_zero(p, f->len);
	}
}

static void put_field(struct sotto_wbuf *w, const struct sotto_field *f,
		      const void *p)
{
	size_t at = w->len, len;

	if (f->optional && is_empty(f, p))
		return;
	if (!value_valid(f, p)) {
		w->err = SOTTO_E_VALUE;
		return;
	}
	sotto_put_u8(w, f->attr);
	sotto_put_u16(w, 0);
	put_value(w, f, p);
	if (w->err)
		return;
	len = w->len - at - 3;
	w->base[at + 1] = len >> 8;
	w->base[at + 2] = len;
}

static bool parts_valid(const struct sotto_msg *m)
{
	return m->type != SOTTO_MSG_POLICY || m->policy.part < m->policy.parts;
}

int sotto_msg_encode(const struct sotto_msg *m, void *out, size_t cap,
		     size_t *len)
{
	const struct sotto_msg_desc *d = sotto_msg_desc(m->type);
	struct sotto_wbuf w;
	int i;

	if (!d)
		return SOTTO_E_UNKNOWN;
	if (!parts_valid(m))
		return SOTTO_E_VALUE;
	sotto_wbuf_init(&w, out, cap < SOTTO_BODY_MAX ? cap : SOTTO_BODY_MAX);
	for (i = 0; i < d->n && !w.err; i++)
		put_field(&w, &d->fields[i],
			  (const char *)m + d->fields[i].off);
	*len = w.len;
	return w.err;
}

/* ---- reading; r spans exactly the value ---- */

static void get_addr(struct sotto_rbuf *r, struct sotto_addr *a)
{
	size_t len = sotto_get_u8(r);
	const uint8_t *p = sotto_get_ptr(r, len);

	if (!p || sotto_addr_set(a, p, len))
		r->err = SOTTO_E_BAD;
}

static void get_addrs(struct sotto_rbuf *r, struct sotto_addrs *as)
{
	while (r->left && !r->err) {
		if (as->n == SOTTO_ADDRS_MAX) {
			r->err = SOTTO_E_BAD;
			return;
		}
		get_addr(r, &as->a[as->n++]);
	}
}

static void get_ciphers(struct sotto_rbuf *r, struct sotto_ciphers *cs)
{
	if (r->left == 0 || r->left > SOTTO_CIPHERS_MAX) {
		r->err = SOTTO_E_BAD;
		return;
	}
	cs->n = r->left;
	sotto_get_bytes(r, cs->c, cs->n);
}

static void get_life(struct sotto_rbuf *r, struct sotto_lifetimes *l)
{
	l->soft_s = sotto_get_u32(r);
	l->hard_s = sotto_get_u32(r);
	l->soft_packets = sotto_get_u64(r);
	l->hard_packets = sotto_get_u64(r);
	l->soft_bytes = sotto_get_u64(r);
	l->hard_bytes = sotto_get_u64(r);
	if (!life_valid(l))
		r->err = SOTTO_E_BAD;
}

static void get_lives(struct sotto_rbuf *r, struct sotto_lives *ls)
{
	while (r->left && !r->err) {
		struct sotto_live *l = &ls->l[ls->n];

		if (ls->n == SOTTO_LIVE_MAX) {
			r->err = SOTTO_E_BAD;
			return;
		}
		l->session_id = sotto_get_u64(r);
		l->spi = sotto_get_u32(r);
		sotto_get_bytes(r, l->peer_key, SOTTO_PUB_LEN);
		ls->n++;
	}
}

static void get_ids(struct sotto_rbuf *r, struct sotto_ids *ids)
{
	while (r->left && !r->err) {
		if (ids->n == SOTTO_IDS_MAX) {
			r->err = SOTTO_E_BAD;
			return;
		}
		ids->id[ids->n++] = sotto_get_u64(r);
	}
}

static void get_policies(struct sotto_rbuf *r, struct sotto_policies *ps)
{
	while (r->left && !r->err) {
		struct sotto_policy_entry *e = &ps->e[ps->n];

		if (ps->n == SOTTO_POLICIES_MAX) {
			r->err = SOTTO_E_BAD;
			return;
		}
		e->action = sotto_get_u8(r);
		e->prefix.plen = sotto_get_u8(r);
		get_addr(r, &e->prefix.addr);
		if (!r->err && !policy_valid(e))
			r->err = SOTTO_E_BAD;
		ps->n++;
	}
}

static void get_prefixes(struct sotto_rbuf *r, struct sotto_prefixes *ps)
{
	if (!r->left)
		r->err = SOTTO_E_BAD;	/* it would be absent */
	while (r->left && !r->err) {
		struct sotto_prefix *p = &ps->p[ps->n];

		if (ps->n == SOTTO_ROUTES_MAX) {
			r->err = SOTTO_E_BAD;
			return;
		}
		p->plen = sotto_get_u8(r);
		get_addr(r, &p->addr);
		if (!r->err && !prefix_valid(p))
			r->err = SOTTO_E_BAD;
		ps->n++;
	}
}

static void get_vias(struct sotto_rbuf *r, struct sotto_vias *vs)
{
	if (!r->left)
		r->err = SOTTO_E_BAD;	/* it would be absent */
	while (r->left && !r->err) {
		struct sotto_via *v = &vs->v[vs->n];
		size_t len;

		if (vs->n == SOTTO_VIAS_MAX) {
			r->err = SOTTO_E_BAD;
			return;
		}
		v->entry = sotto_get_u8(r);
		len = sotto_get_u8(r);
		if (len >= sizeof(v->name)) {
			r->err = SOTTO_E_BAD;
			return;
		}
		sotto_get_bytes(r, v->name, len);
		if (!r->err && (!sotto_name_valid(v->name) ||
				strlen(v->name) != len))
			r->err = SOTTO_E_BAD;
		vs->n++;
	}
}

static void get_ticket(struct sotto_rbuf *r, struct sotto_ticket *t)
{
	if (r->left < SOTTO_TICKET_MIN || r->left > SOTTO_TICKET_MAX) {
		r->err = SOTTO_E_BAD;
		return;
	}
	t->n = r->left;
	sotto_get_bytes(r, t->b, t->n);
}

static void get_string(struct sotto_rbuf *r, char *s, size_t size, bool name)
{
	size_t len = r->left;

	if (len >= size || !text_valid((const char *)r->p, len)) {
		r->err = SOTTO_E_BAD;
		return;
	}
	sotto_get_bytes(r, s, len);
	s[len] = 0;
	if (name && !sotto_name_valid(s))
		r->err = SOTTO_E_BAD;
}

static void get_value(struct sotto_rbuf *r, const struct sotto_field *f,
		      void *p)
{
	switch (f->form) {
	case SOTTO_FORM_U8:
		*(uint8_t *)p = sotto_get_u8(r);
		break;
	case SOTTO_FORM_U16:
		*(uint16_t *)p = sotto_get_u16(r);
		break;
	case SOTTO_FORM_U32:
		*(uint32_t *)p = sotto_get_u32(r);
		break;
	case SOTTO_FORM_U64:
		*(uint64_t *)p = sotto_get_u64(r);
		break;
	case SOTTO_FORM_BYTES:
		return sotto_get_bytes(r, p, f->len);
	case SOTTO_FORM_NAME:
		return get_string(r, p, f->len, true);
	case SOTTO_FORM_TEXT:
		return get_string(r, p, f->len, false);
	case SOTTO_FORM_ADDR:
		return get_addr(r, p);
	case SOTTO_FORM_ADDRS:
		return get_addrs(r, p);
	case SOTTO_FORM_CIPHERS:
		return get_ciphers(r, p);
	case SOTTO_FORM_LIFE:
		return get_life(r, p);
	case SOTTO_FORM_LIVES:
		return get_lives(r, p);
	case SOTTO_FORM_IDS:
		return get_ids(r, p);
	case SOTTO_FORM_POLICIES:
		return get_policies(r, p);
	case SOTTO_FORM_PREFIXES:
		return get_prefixes(r, p);
	case SOTTO_FORM_VIAS:
		return get_vias(r, p);
	case SOTTO_FORM_TICKET:
		return get_ticket(r, p);
	}
}

static int get_field(const struct sotto_field *f, const uint8_t *val,
		     size_t len, struct sotto_msg *m)
{
	void *p = (char *)m + f->off;
	struct sotto_rbuf r;

	sotto_rbuf_init(&r, val, len);
	get_value(&r, f, p);
	if (r.err || r.left || !value_valid(f, p))
		return SOTTO_E_BAD;
	return 0;
}

/* Steps @i over fields that may be absent up to attribute @attr. */
static int find_field(const struct sotto_msg_desc *d, uint8_t attr, int *i)
{
	while (*i < d->n && d->fields[*i].attr < attr) {
		if (!d->fields[*i].optional)
			return SOTTO_E_BAD;
		(*i)++;
	}
	return 0;
}

static int decode_fields(const struct sotto_msg_desc *d, struct sotto_rbuf *r,
			 struct sotto_msg *m)
{
	int i = 0, last = 0, rc;

	while (r->left) {
		uint8_t attr = sotto_get_u8(r);
		uint16_t len = sotto_get_u16(r);
		const uint8_t *val = sotto_get_ptr(r, len);

		if (r->err)
			return r->err;
		if (attr <= last)
			return SOTTO_E_BAD;
		last = attr;
		rc = find_field(d, attr, &i);
		if (rc)
			return rc;
		if (i < d->n && d->fields[i].attr == attr)
			rc = get_field(&d->fields[i++], val, len, m);
		else if (attr < SOTTO_ATTR_SKIPPABLE)
			rc = SOTTO_E_BAD;
		if (rc)
			return rc;
	}
	return find_field(d, UINT8_MAX, &i);
}

const uint8_t *sotto_msg_find(const uint8_t *in, size_t len, uint8_t attr,
			      size_t *value_len)
{
	struct sotto_rbuf r;

	sotto_rbuf_init(&r, in, len);
	while (r.left) {
		uint8_t a = sotto_get_u8(&r);
		uint16_t n = sotto_get_u16(&r);
		const uint8_t *p = sotto_get_ptr(&r, n);

		if (!p)
			return NULL;
		if (a == attr) {
			*value_len = n;
			return p;
		}
	}
	return NULL;
}

int sotto_msg_decode(struct sotto_msg *m, uint16_t type, const void *in,
		     size_t len)
{
	const struct sotto_msg_desc *d = sotto_msg_desc(type);
	struct sotto_rbuf r;
	int rc;

	if (!d) {
		memset(m, 0, sizeof(*m));
		return SOTTO_E_UNKNOWN;
	}
	memset(m, 0, d->size);
	m->type = type;
	sotto_rbuf_init(&r, in, len);
	rc = decode_fields(d, &r, m);
	if (!rc && !parts_valid(m))
		rc = SOTTO_E_BAD;
	if (rc)
		sotto_wipe(m, sizeof(*m));
	return rc;
}

void sotto_msg_wipe(struct sotto_msg *m)
{
	const struct sotto_msg_desc *d = sotto_msg_desc(m->type);

	if (d)
		sotto_wipe(m, d->size);
}
