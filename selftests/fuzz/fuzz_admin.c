// SPDX-License-Identifier: GPL-2.0
/*
 * The administrator's socket of a whole server with its database in memory.
 */
#include "fuzz_sock.h"

#include "../../server/authd.h"

#define REALM_RUNS	512	/* inputs for one realm, then a new one is made */

static struct authd ad;
static unsigned int runs;

int64_t authd_wall(void)
{
	return 1800000000;
}

static void begin(void)
{
	struct sotto_errmsg err;
	char conf[SOTTO_PATH_MAX];

	fuzz_begin();
	if (!getenv("SOTTO_RUN"))
		fuzz_folders();
	memset(&ad, 0, sizeof(ad));
	ad.loop = ev_default_loop(0);
	ad.now_ms = sotto_now_ms();
	wheel_init(&ad.wheel, ad.loop);
	MUST(!authd_conf_load(&ad.conf, sotto_path(conf, SOTTO_ETC, "none"),
			      &err));
	strcpy(ad.conf.endpoints, "localhost");
	ad.realm = sotto_secret_alloc(sizeof(*ad.realm));
	noise_keypair(ad.realm->priv, ad.realm->pub);
	seal_key_derive(&ad.realm->seal, ad.realm->priv);
	MUST(!store_open(":memory:", true, &ad.realm->seal, &ad.store, &err));
	MUST(!member_setup(&ad, &err) && !policy_setup(&ad, &err) &&
	     !assoc_setup(&ad) && !session_setup(&ad));
	strcpy(ad.conf.listen, "127.0.0.1:0");
	MUST(!net_open(&ad, &err) && !admin_open(&ad, &err));
}

static void end(void)
{
	sotto_usock_close(ad.admin);
	assoc_teardown(&ad);
	session_teardown(&ad);
	net_close(&ad);
	policy_teardown(&ad);
	member_teardown(&ad);
	store_close(ad.store);
	wheel_stop(&ad.wheel);
	realm_free(ad.realm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len > SOTTO_USOCK_LINE_MAX + 64)
		return 0;
	if (runs % REALM_RUNS == 0) {
		if (runs)
			end();
		begin();
	}
	runs++;
	fuzz_socket(ad.loop, "authd.sock", data, len);
	return 0;
}
