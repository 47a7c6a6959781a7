/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bounded reader and writer over bytes the caller owns. Integers are in
 * network byte order. The first error sticks (a caller may set one of his own):
 * check once at the end.
 */
#ifndef SOTTO_BUF_H
#define SOTTO_BUF_H

#include <stddef.h>
#include <stdint.h>

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

void sotto_rbuf_init(struct sotto_rbuf *r, const void *data, size_t len);
uint8_t sotto_get_u8(struct sotto_rbuf *r);	/* 0 after an error */
uint16_t sotto_get_u16(struct sotto_rbuf *r);
uint32_t sotto_get_u32(struct sotto_rbuf *r);
uint64_t sotto_get_u64(struct sotto_rbuf *r);
/* Copies @len bytes; after an error @out is zeroed. */
void sotto_get_bytes(struct sotto_rbuf *r, void *out, size_t len);
/* Steps over @len bytes and returns where they are, or NULL. */
const uint8_t *sotto_get_ptr(struct sotto_rbuf *r, size_t len);

void sotto_wbuf_init(struct sotto_wbuf *w, void *data, size_t cap);
void sotto_put_u8(struct sotto_wbuf *w, uint8_t v);
void sotto_put_u16(struct sotto_wbuf *w, uint16_t v);
void sotto_put_u32(struct sotto_wbuf *w, uint32_t v);
void sotto_put_u64(struct sotto_wbuf *w, uint64_t v);
void sotto_put_bytes(struct sotto_wbuf *w, const void *data, size_t len);
/* Reserves @len bytes to be filled by the caller, or NULL. */
uint8_t *sotto_put_ptr(struct sotto_wbuf *w, size_t len);

/** sotto_hex() - lower-case hex of @len bytes; @out holds 2 * @len + 1. */
char *sotto_hex(char *out, const void *data, size_t len);
/** sotto_unhex() - exactly @len bytes from hex text; 0 or SOTTO_E_BAD. */
int sotto_unhex(void *out, size_t len, const char *text);

#endif /* SOTTO_BUF_H */
