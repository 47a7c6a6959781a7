// SPDX-License-Identifier: GPL-2.0
/* Self-test of the trie against a plain list. */
#include <linux/printk.h>
#include <linux/random.h>

#define SOTTO_TEST_PREFIXES	300
#define SOTTO_TEST_LOOKUPS	3000

/* Few distinct bits, so that prefixes nest and fork often. */
static void sotto_test_addr(struct sotto_addr *a, u16 family)
{
	u8 *b = (u8 *)&a->ip;
	unsigned int i;

	memset(a, 0, sizeof(*a));
	a->family = family;
	for (i = 0; i < (family == AF_INET ? 4 : 16); i++)
		b[i] = get_random_u32() & (i < 2 ? 0x81 : 0xc3);
}

static int sotto_test_list(const struct sotto_policy *list, unsigned int n,
			   const struct sotto_addr *a)
{
	int best = -1, best_len = -1;
	struct sotto_policy p;
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (list[i].prefix.family != a->family || list[i].plen <= best_len)
			continue;
		p.prefix = *a;
		p.plen = list[i].plen;
		sotto_mask(&p.prefix, p.plen);
		if (sotto_addr_equal(&p.prefix, &list[i].prefix)) {
			best = i;
			best_len = list[i].plen;
		}
	}
	return best < 0 ? SOTTO_ACTION_BYPASS : list[best].action;
}

static int sotto_test_lookups(struct sotto_net *ns, const struct sotto_policy *list,
			      unsigned int n)
{
	struct sotto_addr a;
	int i, got, want;

	for (i = 0; i < SOTTO_TEST_LOOKUPS; i++) {
		sotto_test_addr(&a, i & 1 ? AF_INET : AF_INET6);
		rcu_read_lock();
		got = sotto_policy_lookup(ns, &a, NULL);
		rcu_read_unlock();
		want = sotto_test_list(list, n, &a);
		if (got != want) {
			pr_err("sotto: selftest: policy of %pI6c is %d, not %d\n",
			       &a.ip, want, got);
			return -EINVAL;
		}
	}
	return 0;
}

/* The walk gives each prefix once, and as it was added. */
static int sotto_test_walk(struct sotto_net *ns, unsigned int n)
{
	struct sotto_policy cur = {};
	unsigned int seen = 0;

	while (sotto_policy_next(ns, &cur)) {
		if (!sotto_policy_valid(&cur))
			break;
		seen++;
	}
	if (seen == n && ns->policy.n == n)
		return 0;
	pr_err("sotto: selftest: walk gave %u policies of %u\n", seen, n);
	return -EINVAL;
}

static unsigned int sotto_test_fill(struct sotto_net *ns, struct sotto_policy *list)
{
	struct sotto_policy *p = list;
	int i;

	for (i = 0; i < SOTTO_TEST_PREFIXES; i++) {
		memset(p, 0, sizeof(*p));
		sotto_test_addr(&p->prefix, i & 1 ? AF_INET : AF_INET6);
		p->plen = get_random_u32() % (sotto_bits(p->prefix.family) + 1);
		p->action = get_random_u32() % __SOTTO_ACTION_MAX;
		sotto_mask(&p->prefix, p->plen);
		if (!sotto_policy_add(ns, p, false, NULL))
			p++;
	}
	return p - list;
}

static int sotto_test_policy(struct sotto_net *ns, struct sotto_policy *list)
{
	unsigned int n = sotto_test_fill(ns, list);
	int err;

	err = sotto_test_lookups(ns, list, n) ?: sotto_test_walk(ns, n);
	while (!err && n) {
		err = sotto_policy_del(ns, &list[--n], NULL);
		if (!err && n % 32 == 0)
			err = sotto_test_lookups(ns, list, n) ?: sotto_test_walk(ns, n);
	}
	if (!err && (rcu_access_pointer(ns->policy.root4) ||
		     rcu_access_pointer(ns->policy.root6) || ns->policy.n_strict)) {
		pr_err("sotto: selftest: an empty policy left nodes behind\n");
		err = -EINVAL;
	}
	sotto_policy_flush(ns);
	return err;
}

int sotto_policy_selftest(void)
{
	struct sotto_policy *list;
	struct sotto_net *ns;
	int err = -ENOMEM;

	ns = kzalloc(sizeof(*ns), GFP_KERNEL);
	list = kcalloc(SOTTO_TEST_PREFIXES, sizeof(*list), GFP_KERNEL);
	if (ns && list) {
		mutex_init(&ns->config);
		ns->limits.max_policies = SOTTO_TEST_PREFIXES;
		mutex_lock(&ns->config);
		err = sotto_test_policy(ns, list);
		mutex_unlock(&ns->config);
		mutex_destroy(&ns->config);
	}
	kfree(list);
	kfree(ns);
	if (!err)
		pr_info("sotto: selftest: policy passed\n");
	return err;
}
