/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fills a message of any type with valid contents, by the tables of the
 * protocol. @pick gives the bytes: a seeded generator, or a counter.
 */
#ifndef SOTTO_MSGFILL_H
#define SOTTO_MSGFILL_H

#include <stdio.h>
#include <string.h>

#include "proto.h"

struct fill {
	uint64_t state;
	bool full;		/* lists as long as they may be, else by chance */
};

/* xorshift: repeatable everywhere */
static uint64_t fill_next(struct fill *f)
{
	f->state ^= f->state << 13;
	f->state ^= f->state >> 7;
	f->state ^= f->state << 17;
	return f->state;
}

static void fill_bytes(struct fill *f, uint8_t *out, size_t len)
{
	while (len--)
		*out++ = fill_next(f) >> 24;
}

static int fill_count(struct fill *f, int min, int max)
{
	return f->full ? max : min + (int)(fill_next(f) % (max - min + 1));
}

static void fill_addr(struct fill *f, struct sotto_addr *a)
{
	uint8_t b[16];

	fill_bytes(f, b, sizeof(b));
	sotto_addr_set(a, b, f->full || fill_next(f) & 1024 ? 16 : 4);
}

static void fill_addrs(struct fill *f, struct sotto_addrs *as)
{
	as->n = fill_count(f, 0, SOTTO_ADDRS_MAX);
	for (int i = 0; i < as->n; i++)
		fill_addr(f, &as->a[i]);
}

static void fill_life(struct fill *f, struct sotto_lifetimes *l)
{
	l->soft_s = fill_next(f) >> 36;
	l->hard_s = l->soft_s + 1 + (fill_next(f) >> 40);
	l->soft_packets = fill_next(f) >> 8;
	l->hard_packets = l->soft_packets + (fill_next(f) >> 8);
	l->soft_bytes = fill_next(f) >> 8;
	l->hard_bytes = 0;
}

static void fill_policies(struct fill *f, struct sotto_policies *ps)
{
	ps->n = fill_count(f, 0, SOTTO_POLICIES_MAX);
	for (int i = 0; i < ps->n; i++) {
		struct sotto_policy_entry *e = &ps->e[i];

		fill_addr(f, &e->prefix.addr);
		e->prefix.plen = e->prefix.addr.len * 8;
		e->action = i % 5 == 4 ? SOTTO_POLICY_REMOVE : i % 5;
	}
}

static void fill_prefixes(struct fill *f, struct sotto_prefixes *ps)
{
	ps->n = fill_count(f, 1, SOTTO_ROUTES_MAX);
	for (int i = 0; i < ps->n; i++) {
		fill_addr(f, &ps->p[i].addr);
		ps->p[i].plen = ps->p[i].addr.len * 8;
	}
}

static void fill_name(struct fill *f, char *out, size_t size)
{
	size_t len = fill_count(f, 1, size - 1);

	for (size_t i = 0; i < len; i++)
		out[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[fill_next(f) % 36];
	out[len] = 0;
}

static void fill_vias(struct fill *f, struct sotto_vias *vs)
{
	vs->n = fill_count(f, 1, SOTTO_VIAS_MAX);
	for (int i = 0; i < vs->n; i++) {
		vs->v[i].entry = fill_next(f) >> 32;
		fill_name(f, vs->v[i].name, sizeof(vs->v[i].name));
	}
}

static void fill_ticket(struct fill *f, struct sotto_ticket *t)
{
	t->n = fill_count(f, SOTTO_TICKET_MIN, SOTTO_TICKET_MAX);
	fill_bytes(f, t->b, t->n);
}

static void fill_list(struct fill *f, const struct sotto_field *fd, void *p)
{
	struct sotto_ciphers *cs = p;
	struct sotto_lives *ls = p;
	struct sotto_ids *ids = p;
	int i;

	if (fd->form == SOTTO_FORM_CIPHERS) {
		cs->n = fill_count(f, 1, SOTTO_CIPHERS_MAX);
		for (i = 0; i < cs->n; i++)
			cs->c[i] = i + 1;
	} else if (fd->form == SOTTO_FORM_LIVES) {
		ls->n = fill_count(f, 0, SOTTO_LIVE_MAX);
		for (i = 0; i < ls->n; i++) {
			ls->l[i].session_id = fill_next(f);
			ls->l[i].spi = fill_next(f);
			fill_bytes(f, ls->l[i].peer_key, SOTTO_PUB_LEN);
		}
	} else if (fd->form == SOTTO_FORM_IDS) {
		ids->n = fill_count(f, 0, SOTTO_IDS_MAX);
		for (i = 0; i < ids->n; i++)
			ids->id[i] = fill_next(f);
	}
}

static void fill_field(struct fill *f, const struct sotto_field *fd, void *p)
{
	switch (fd->form) {
	case SOTTO_FORM_U8:
		*(uint8_t *)p = fd->attr == SOTTO_ATTR_MODE ? SOTTO_MODE_TUNNEL :
				1 + (fill_next(f) & 1);
		break;
	case SOTTO_FORM_U16:
		*(uint16_t *)p = 1 + (fill_next(f) >> 50);
		break;
	case SOTTO_FORM_U32:
		*(uint32_t *)p = SOTTO_SPI_MIN + (fill_next(f) >> 34);
		break;
	case SOTTO_FORM_U64:
		*(uint64_t *)p = fill_next(f) | 1;
		break;
	case SOTTO_FORM_BYTES:
		fill_bytes(f, p, fd->len);
		break;
	case SOTTO_FORM_NAME:
	case SOTTO_FORM_TEXT:
		fill_name(f, p, fd->len);
		break;
	case SOTTO_FORM_ADDR:
		fill_addr(f, p);
		break;
	case SOTTO_FORM_ADDRS:
		fill_addrs(f, p);
		break;
	case SOTTO_FORM_LIFE:
		fill_life(f, p);
		break;
	case SOTTO_FORM_POLICIES:
		fill_policies(f, p);
		break;
	case SOTTO_FORM_PREFIXES:
		fill_prefixes(f, p);
		break;
	case SOTTO_FORM_VIAS:
		fill_vias(f, p);
		break;
	case SOTTO_FORM_TICKET:
		fill_ticket(f, p);
		break;
	default:
		fill_list(f, fd, p);
	}
}

static inline void fill_msg(struct fill *f, struct sotto_msg *m, uint16_t type)
{
	const struct sotto_msg_desc *d = sotto_msg_desc(type);

	memset(m, 0, sizeof(*m));
	m->type = type;
	for (int i = 0; i < d->n; i++)
		fill_field(f, &d->fields[i], (char *)m + d->fields[i].off);
	if (type == SOTTO_MSG_POLICY)
		m->policy.parts = m->policy.part + 1;
}

#endif /* SOTTO_MSGFILL_H */
