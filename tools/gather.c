// SPDX-License-Identifier: GPL-2.0
/*
 * Requests about SAs that go to the kernel many at a time.
 *
 * It does them in order and ends with the first that it refuses, so that nothing happens
 * that would not happen one by one.
 */
#include "gather.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "kernel.h"

#define WHAT_MAX	96	/* bytes of what an error says of a request */

/* A request, for the error that it may become. */
struct item {
	unsigned long line;
	char what[WHAT_MAX];
};

static struct {
	bool keep, force;
	bool sending;
	struct sgenl *g;
	struct sgenl_sas sas;
	struct item items[SOTTO_SAS_MAX];
} all;

void gather_begin(bool force)
{
	all.keep = true;
	all.force = force;
}

void gather_end(void)
{
	sgenl_sas_clear(&all.sas);
	all.keep = false;
}

static int tell(const struct item *item, int err)
{
	unsigned long line = error_line();
	int ret;

	error_go(item->line);
	ret = kernel_fail(all.g, err, "%s", item->what);
	error_go(line);
	return ret;
}

static int send_all(void)
{
	const struct item *item = all.items;
	int first = EXIT_OK;

	while (all.sas.n) {
		unsigned int failed;
		int err = sgenl_sas_send(all.g, &all.sas, &failed), ret;

		if (!err)
			break;
		item += failed;
		ret = tell(item++, err);
		if (!first)
			first = ret;
		if (!all.force)
			sgenl_sas_clear(&all.sas);
	}
	return first;
}

int gather_send(void)
{
	int ret;

	if (all.sending)	/* an error of these is being told */
		return EXIT_OK;
	all.sending = true;
	ret = send_all();
	all.sending = false;
	return ret;
}

/* An SA to be added, or (NULL) some to be deleted. */
struct request {
	const struct sgenl_sa *sa;
	enum sgenl_sa_by by;
	uint64_t value;
};

static int put(const struct request *r)
{
	if (r->sa)
		return sgenl_sas_add(all.g, &all.sas, r->sa);
	return sgenl_sas_del(all.g, &all.sas, r->by, r->value);
}

static int gather(const struct request *r, const char *what)
{
	struct item *item;
	int ret = EXIT_OK;
	int err = put(r);

	if (err == -ENOBUFS) {	/* no room, or of the other kind */
		ret = gather_send();
		if (ret && !all.force)
			return ret;
		err = put(r);
	}
	if (err)
		return kernel_fail(all.g, err, "%s", what);
	item = &all.items[all.sas.n - 1];
	item->line = error_line();
	strcpy(item->what, what);
	return all.keep ? ret : gather_send();
}

static int gather_open(const struct request *r, const char *what)
{
	int ret = kernel_open(&all.g);

	if (ret)
		return ret;
	ret = gather(r, what);
	kernel_close(all.g);
	return ret;
}

int gather_add(const struct sgenl_sa *sa)
{
	struct request r = { .sa = sa };
	char what[WHAT_MAX];

	snprintf(what, sizeof(what), "add the SA %s spi 0x%08x", sgenl_dir_name(sa->dir),
		 sa->spi);
	return gather_open(&r, what);
}

int gather_del(enum sgenl_sa_by by, uint64_t value, const char *what, const char *name)
{
	struct request r = { .by = by, .value = value };
	char text[WHAT_MAX];

	snprintf(text, sizeof(text), "delete %s %s", what, name);
	return gather_open(&r, text);
}
