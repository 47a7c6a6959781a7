// SPDX-License-Identifier: GPL-2.0
/* Self-test of what an SA leaves behind, run when the module is loaded. */

#define SOTTO_SA_TEST_BYTE	0xa5

/* Of a key by itself. */
static bool sotto_sa_test_key(const u8 *raw)
{
	struct sotto_key key;

	memset(&key, SOTTO_SA_TEST_BYTE, sizeof(key));
	if (sotto_key_init(&key, SOTTO_CIPHER_CHACHA20_POLY1305, raw))
		return false;
	sotto_key_wipe(&key);
	return !memchr_inv(&key, 0, sizeof(key));
}

/* Of all that is in an SA, its salt too. */
static bool sotto_sa_test_wipe(struct sotto_sa *sa, const u8 *raw)
{
	memset(sa, SOTTO_SA_TEST_BYTE, sizeof(*sa));
	sa->dir = SOTTO_SA_OUT;
	sa->nat = NULL;
	sa->peer = NULL;
	sa->keylog_key = kmemdup(raw, SOTTO_KEY_LEN, GFP_KERNEL);
	if (sotto_key_init(&sa->key, SOTTO_CIPHER_CHACHA20_POLY1305, raw))
		return false;
	sotto_sa_wipe(sa);
	return !memchr_inv(sa, 0, sizeof(*sa));
}

int sotto_sa_selftest(void)
{
	struct sotto_sa *sa = kmalloc(sizeof(*sa), GFP_KERNEL);
	u8 raw[SOTTO_KEY_LEN];
	bool clean;

	if (!sa)
		return -ENOMEM;
	memset(raw, SOTTO_SA_TEST_BYTE, sizeof(raw));
	clean = sotto_sa_test_key(raw) && sotto_sa_test_wipe(sa, raw);
	kfree(sa);
	if (clean)
		pr_info("sotto: selftest: sa passed\n");
	else
		pr_err("sotto: selftest: something of an SA was left in memory\n");
	return clean ? 0 : -EINVAL;
}
