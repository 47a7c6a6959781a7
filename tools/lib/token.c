// SPDX-License-Identifier: GPL-2.0
/*
 * Tokens over a secret in memory or in a key file.
 */
#include "token.h"

#include <string.h>

#include "file.h"
#include "secret.h"

struct memory_token {
	struct sotto_token token;
	uint8_t secret[SOTTO_SECRET_LEN];
};

static int hmac(const uint8_t *secret, const void *data, size_t len,
		uint8_t out[32])
{
	crypto_auth_hmacsha256_state st;

	crypto_auth_hmacsha256_init(&st, secret, SOTTO_SECRET_LEN);
	crypto_auth_hmacsha256_update(&st, data, len);
	crypto_auth_hmacsha256_final(&st, out);
	sotto_wipe(&st, sizeof(st));
	return 0;
}

static int memory_hmac(struct sotto_token *t, const void *data, size_t len,
		       uint8_t out[32])
{
	return hmac(((struct memory_token *)t)->secret, data, len, out);
}

static int borrowed_hmac(struct sotto_token *t, const void *data, size_t len,
			 uint8_t out[32])
{
	return hmac(((struct sotto_borrowed_token *)t)->secret, data, len, out);
}

static const struct sotto_token_ops borrowed_ops = {
	.hmac = borrowed_hmac,
};

struct sotto_token *
sotto_token_borrow(struct sotto_borrowed_token *bt,
		   const uint8_t secret[SOTTO_SECRET_LEN])
{
	bt->token.ops = &borrowed_ops;
	bt->secret = secret;
	return &bt->token;
}

static void memory_close(struct sotto_token *t)
{
	sotto_secret_free(t);
}

static const struct sotto_token_ops memory_ops = {
	.hmac = memory_hmac,
	.close = memory_close,
};

struct sotto_token *sotto_token_memory(const uint8_t secret[SOTTO_SECRET_LEN])
{
	struct memory_token *mt = sotto_secret_alloc(sizeof(*mt));

	if (!mt)
		return NULL;
	mt->token.ops = &memory_ops;
	memcpy(mt->secret, secret, SOTTO_SECRET_LEN);
	return &mt->token;
}

int sotto_token_file(const char *path, struct sotto_token **out,
		     struct sotto_errmsg *err)
{
	uint8_t secret[SOTTO_SECRET_LEN];
	size_t len;
	int rc = sotto_file_read(path, true, secret, sizeof(secret), &len, err);

	if (!rc && len != sizeof(secret))
		rc = sotto_err(err, SOTTO_E_BAD,
			       "%s: not a token key file (%zu bytes, wanted %d)",
			       path, len, SOTTO_SECRET_LEN);
	if (!rc) {
		*out = sotto_token_memory(secret);
		if (!*out)
			rc = sotto_err(err, SOTTO_E_NOMEM, "out of memory");
	}
	sotto_wipe(secret, sizeof(secret));
	return rc;
}

int sotto_token_file_create(const char *path, bool replace,
			    const uint8_t secret[SOTTO_SECRET_LEN],
			    struct sotto_errmsg *err)
{
	return sotto_file_write(path, 0600, replace, secret, SOTTO_SECRET_LEN,
				err);
}
