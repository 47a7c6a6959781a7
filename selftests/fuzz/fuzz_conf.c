// SPDX-License-Identifier: GPL-2.0
/*
 * Configuration files of the agent and the server.
 */
#include "fuzz.h"

#include "../../agent/conf.h"
#include "../../server/authd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct authd_conf server;
	static struct conf agent;
	struct sotto_errmsg err;
	const char *path;

	fuzz_begin();
	if (len > 65536)
		return 0;
	path = fuzz_file(data, len);
	conf_load(&agent, path, &err);
	authd_conf_load(&server, path, &err);
	return 0;
}
