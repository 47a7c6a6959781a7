/* SPDX-License-Identifier: GPL-2.0 */
/*
 * $SOTTO_ETC/sotto.conf, which agent and CLI read: sotto.conf(5).
 */
#ifndef SOTTO_AGENT_CONF_H
#define SOTTO_AGENT_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "../tools/lib/err.h"
#include "../tools/lib/params.h"
#include "../tools/lib/proto.h"

#define CONF_FILE	"sotto.conf"	/* under $SOTTO_ETC */
#define CONF_PINS_MAX	256		/* pinned members */

/** struct conf_pin - a member whose static key is fixed here */
struct conf_pin {
	char name[SOTTO_NAME_MAX];
	uint8_t key[SOTTO_PUB_LEN];
	int line;
};

/** struct conf - all settings, with their defaults filled in */
struct conf {
	int log_level;
	struct sotto_ciphers ciphers;	/* offered, most wanted first */
	uint32_t data_port;
	uint32_t up_timeout;		/* seconds that sotto up waits */
	bool first_use;			/* pin whom this host meets */
	struct conf_pin pins[CONF_PINS_MAX];
	unsigned int n_pins;
};

/**
 * conf_load() - read @path, or the usual file when it is NULL
 * An absent or empty file means the defaults. Returns 0, or a negative error
 * with file, line and what is expected there in @err.
 */
int conf_load(struct conf *conf, const char *path, struct sotto_errmsg *err);

/** conf_pin() - the key pinned for @name, or NULL */
const uint8_t *conf_pin(const struct conf *conf, const char *name);

#endif /* SOTTO_AGENT_CONF_H */
