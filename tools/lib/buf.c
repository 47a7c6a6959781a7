// SPDX-License-Identifier: GPL-2.0
/*
 * Bounded reader and writer.
 */
#include "buf.h"

#include <string.h>

#include "err.h"

void sotto_rbuf_init(struct sotto_rbuf *r, const void *data, size_t len)
{
	r->p = data;
	r->left = len;
	r->err = 0;
}

const uint8_t *sotto_get_ptr(struct sotto_rbuf *r, size_t len)
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

static uint64_t get_be(struct sotto_rbuf *r, size_t len)
{
	const uint8_t *p = sotto_get_ptr(r, len);
	uint64_t v = 0;

	if (!p)
		return 0;
	while (len--)
		v = v << 8 | *p++;
	return v;
}

uint8_t sotto_get_u8(struct sotto_rbuf *r)
{
	return get_be(r, 1);
}

uint16_t sotto_get_u16(struct sotto_rbuf *r)
{
	return get_be(r, 2);
}

uint32_t sotto_get_u32(struct sotto_rbuf *r)
{
	return get_be(r, 4);
}

uint64_t sotto_get_u64(struct sotto_rbuf *r)
{
	return get_be(r, 8);
}

void sotto_get_bytes(struct sotto_rbuf *r, void *out, size_t len)
{
	const uint8_t *p = sotto_get_ptr(r, len);

	if (p)
		memcpy(out, p, len);
	else
		memset(out, 0, len);
}

void sotto_wbuf_init(struct sotto_wbuf *w, void *data, size_t cap)
{
	w->base = data;
	w->len = 0;
	w->cap = cap;
	w->err = 0;
}

uint8_t *sotto_put_ptr(struct sotto_wbuf *w, size_t len)
{
	uint8_t *p = w->base + w->len;

	if (!w->err && len > w->cap - w->len)
		w->err = SOTTO_E_SPACE;
	if (w->err)
		return NULL;
	w->len += len;
	return p;
}

static void put_be(struct sotto_wbuf *w, uint64_t v, size_t len)
{
	uint8_t *p = sotto_put_ptr(w, len);

	if (!p)
		return;
	while (len--) {
		p[len] = v;
		v >>= 8;
	}
}

void sotto_put_u8(struct sotto_wbuf *w, uint8_t v)
{
	put_be(w, v, 1);
}

void sotto_put_u16(struct sotto_wbuf *w, uint16_t v)
{
	put_be(w, v, 2);
}

void sotto_put_u32(struct sotto_wbuf *w, uint32_t v)
{
	put_be(w, v, 4);
}

void sotto_put_u64(struct sotto_wbuf *w, uint64_t v)
{
	put_be(w, v, 8);
}

void sotto_put_bytes(struct sotto_wbuf *w, const void *data, size_t len)
{
	uint8_t *p = sotto_put_ptr(w, len);

	if (p && len)
		memcpy(p, data, len);
}

char *sotto_hex(char *out, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;
	size_t i;

	for (i = 0; i < len; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * len] = 0;
	return out;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int sotto_unhex(void *out, size_t len, const char *text)
{
	uint8_t *p = out;
	size_t i;

	if (strlen(text) != 2 * len)
		return SOTTO_E_BAD;
	for (i = 0; i < len; i++) {
		int hi = hex_digit(text[2 * i]), lo = hex_digit(text[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return SOTTO_E_BAD;
		p[i] = hi << 4 | lo;
	}
	return 0;
}
