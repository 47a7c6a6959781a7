/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bounded reader and writer over bytes the caller owns. Integers are in
 * network byte order. The first error sticks (a caller may set one of his own):
 * check once at the end.
 */
#ifndef SOTTO_BUF_H
#define SOTTO_BUF_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "err.h"

struct sotto_rbuf {
	const uint8_t *p;
	size_t left;
	int err;	/* 0, or SOTTO_E_SHORT */
};

struct sotto_wbuf {
	uint8_t *base;
	size_t len, cap;
	int err;	/* 0, or SOTTO_E_SPACE */
};

static inline void sotto_rbuf_init(struct sotto_rbuf *r, const void *data,
				   size_t len)
{
	r->p = data;
	r->left = len;
	r->err = 0;
}

/* Steps over @len bytes and returns where they are, or NULL. */
static inline const uint8_t *sotto_get_ptr(struct sotto_rbuf *r, size_t len)
{
	const uint8_t *p = r->p;

	if (!r->err && len > r->left)
		r->err = SOTTO_E_SHORT;
	if (r->err)
		return NULL;
	r->p += len;
	r->left -= len;
	return p;
}

/* Numbers; 0 after an error. */
static inline uint8_t sotto_get_u8(struct sotto_rbuf *r)
{
	const uint8_t *p = sotto_get_ptr(r, 1);

	return p ? *p : 0;
}

static inline uint16_t sotto_get_u16(struct sotto_rbuf *r)
{
	const uint8_t *p = sotto_get_ptr(r, 2);
	uint16_t v = 0;

	if (p)
		memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint32_t sotto_get_u32(struct sotto_rbuf *r)
{
	const uint8_t *p = sotto_get_ptr(r, 4);
	uint32_t v = 0;

	if (p)
		memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline uint64_t sotto_get_u64(struct sotto_rbuf *r)
{
	const uint8_t *p = sotto_get_ptr(r, 8);
	uint64_t v = 0;

	if (p)
		memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

/* Copies @len bytes; after an error @out is zeroed. */
void sotto_get_bytes(struct sotto_rbuf *r, void *out, size_t len);

static inline void sotto_wbuf_init(struct sotto_wbuf *w, void *data, size_t cap)
{
	w->base = data;
	w->len = 0;
	w->cap = cap;
	w->err = 0;
}

/* Reserves @len bytes to be filled by the caller, or NULL. */
static inline uint8_t *sotto_put_ptr(struct sotto_wbuf *w, size_t len)
{
	uint8_t *p = w->base + w->len;

	if (!w->err && len > w->cap - w->len)
		w->err = SOTTO_E_SPACE;
	if (w->err)
		return NULL;
	w->len += len;
	return p;
}

static inline void sotto_put_u8(struct sotto_wbuf *w, uint8_t v)
{
	uint8_t *p = sotto_put_ptr(w, 1);

	if (p)
		*p = v;
}

static inline void sotto_put_u16(struct sotto_wbuf *w, uint16_t v)
{
	uint8_t *p = sotto_put_ptr(w, 2);

	v = htobe16(v);
	if (p)
		memcpy(p, &v, sizeof(v));
}

static inline void sotto_put_u32(struct sotto_wbuf *w, uint32_t v)
{
	uint8_t *p = sotto_put_ptr(w, 4);

	v = htobe32(v);
	if (p)
		memcpy(p, &v, sizeof(v));
}

static inline void sotto_put_u64(struct sotto_wbuf *w, uint64_t v)
{
	uint8_t *p = sotto_put_ptr(w, 8);

	v = htobe64(v);
	if (p)
		memcpy(p, &v, sizeof(v));
}

void sotto_put_bytes(struct sotto_wbuf *w, const void *data, size_t len);

/** sotto_hex() - lower-case hex of @len bytes; @out holds 2 * @len + 1. */
char *sotto_hex(char *out, const void *data, size_t len);
/** sotto_unhex() - exactly @len bytes from hex text; 0 or SOTTO_E_BAD. */
int sotto_unhex(void *out, size_t len, const char *text);

#endif /* SOTTO_BUF_H */
