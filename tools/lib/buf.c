// SPDX-License-Identifier: GPL-2.0
/*
 * Bounded reader and writer.
 */
#include "buf.h"

#include <string.h>

void sotto_get_bytes(struct sotto_rbuf *r, void *out, size_t len)
{
	const uint8_t *p = sotto_get_ptr(r, len);

	if (p)
		memcpy(out, p, len);
	else
		memset(out, 0, len);
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
