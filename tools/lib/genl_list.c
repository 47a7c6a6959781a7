// SPDX-License-Identifier: GPL-2.0
/*
 * Whole lists of the module's objects, each as one array.
 */
#include "genl_req.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An array that grows while a dump comes in. */
struct list {
	char *items;
	size_t n, cap;		/* items */
	size_t size;		/* bytes of one */
	int (*parse)(struct nlattr **tb, void *item);
};

static void *list_next(struct list *l)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		char *items = reallocarray(l->items, cap, l->size);

		if (!items)
			return NULL;
		l->items = items;
		l->cap = cap;
	}
	return l->items + l->n * l->size;
}

static int list_item(uint8_t cmd, struct nlattr **tb, void *arg)
{
	struct list *l = arg;
	void *item = list_next(l);
	int ret;

	(void)cmd;
	if (!item)
		return -ENOMEM;
	ret = l->parse(tb, item);
	if (!ret)
		l->n++;
	return ret;
}

static void list_reset(void *arg)
{
	((struct list *)arg)->n = 0;
}

static int list_dump(struct sgenl *g, uint8_t cmd, struct list *l, size_t *n)
{
	int ret = sgenl_dump(g, cmd, list_item, list_reset, l);

	if (ret) {
		free(l->items);
		l->items = NULL;
		l->n = 0;
	}
	*n = l->n;
	return ret;
}

static int parse_local(struct nlattr **tb, void *item)
{
	return sgenl_parse_local(tb[SOTTO_A_ADDR], tb[SOTTO_A_ADDR_PLEN], item);
}

static int parse_policy(struct nlattr **tb, void *item)
{
	return sgenl_parse_policy(tb[SOTTO_A_POLICY], item);
}

static int parse_tunnel(struct nlattr **tb, void *item)
{
	return sgenl_parse_tunnel(tb[SOTTO_A_TUNNEL], item);
}

static int parse_sa(struct nlattr **tb, void *item)
{
	return sgenl_parse_sa(tb[SOTTO_A_SA], item);
}

int sgenl_list_locals(struct sgenl *g, struct sotto_prefix **v, size_t *n)
{
	struct list l = { .size = sizeof(**v), .parse = parse_local };
	int ret = list_dump(g, SOTTO_CMD_ADDR_GET, &l, n);

	*v = (struct sotto_prefix *)l.items;
	return ret;
}

int sgenl_list_policies(struct sgenl *g, struct sgenl_policy **v, size_t *n)
{
	struct list l = { .size = sizeof(**v), .parse = parse_policy };
	int ret = list_dump(g, SOTTO_CMD_POLICY_GET, &l, n);

	*v = (struct sgenl_policy *)l.items;
	return ret;
}

int sgenl_list_tunnels(struct sgenl *g, struct sgenl_tunnel **v, size_t *n)
{
	struct list l = { .size = sizeof(**v), .parse = parse_tunnel };
	int ret = list_dump(g, SOTTO_CMD_TUNNEL_GET, &l, n);

	*v = (struct sgenl_tunnel *)l.items;
	return ret;
}

int sgenl_list_sas(struct sgenl *g, struct sgenl_sa **v, size_t *n)
{
	struct list l = { .size = sizeof(**v), .parse = parse_sa };
	int ret = list_dump(g, SOTTO_CMD_SA_GET, &l, n);

	*v = (struct sgenl_sa *)l.items;
	return ret;
}
