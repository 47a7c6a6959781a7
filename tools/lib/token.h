/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A token holds a member's secret and answers challenges with it: a key file,
 * later a smart card or TPM. The secret itself need not be readable.
 */
#ifndef SOTTO_TOKEN_H
#define SOTTO_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "params.h"

struct sotto_token;

struct sotto_token_ops {
	/* HMAC-SHA256 of @data under the secret; 0 or a negative error. */
	int (*hmac)(struct sotto_token *t, const void *data, size_t len,
		    uint8_t out[32]);
	/* Wipes and frees @t. */
	void (*close)(struct sotto_token *t);
};

struct sotto_token {
	const struct sotto_token_ops *ops;
};

/** sotto_token_memory() - a token over a copy of @secret; NULL without memory. */
struct sotto_token *
sotto_token_memory(const uint8_t secret[SOTTO_SECRET_LEN]);

/** struct sotto_borrowed_token - over a secret that is its owner's. */
struct sotto_borrowed_token {
	struct sotto_token token;
	const uint8_t *secret;
};

/** sotto_token_borrow() - for one operation, without an allocation; not closed. */
struct sotto_token *
sotto_token_borrow(struct sotto_borrowed_token *bt,
		   const uint8_t secret[SOTTO_SECRET_LEN]);

/** sotto_token_file() - open the key file @path (32 bytes, mode 0600). */
int sotto_token_file(const char *path, struct sotto_token **out,
		     struct sotto_errmsg *err);

/** sotto_token_file_create() - write a key file; refuses an existing one
 * unless @replace.
 */
int sotto_token_file_create(const char *path, bool replace,
			    const uint8_t secret[SOTTO_SECRET_LEN],
			    struct sotto_errmsg *err);

static inline int sotto_token_hmac(struct sotto_token *t, const void *data,
				   size_t len, uint8_t out[32])
{
	return t->ops->hmac(t, data, len, out);
}

/** sotto_token_close() - wipes and frees; NULL is fine. */
static inline void sotto_token_close(struct sotto_token *t)
{
	if (t)
		t->ops->close(t);
}

#endif /* SOTTO_TOKEN_H */
