// SPDX-License-Identifier: GPL-2.0
/* Table-driven self-test of the replay window. */
#include <linux/printk.h>
#include <linux/slab.h>

/* In order: number, and whether it is to be taken. */
struct sotto_replay_step {
	u64 seq;
	bool ok;
};

#define W	SOTTO_REPLAY_WINDOW
#define B	BITS_PER_LONG
#define BIG	BIT_ULL(32)

static const struct sotto_replay_step sotto_replay_steps[] = {
	{ 0, false },			/* never valid */
	{ 1, true }, { 1, false },	/* first, and again */
	{ 3, true }, { 2, true }, { 2, false }, { 3, false },
	{ W, true }, { W + 1, true },
	{ 1, false },			/* was taken */
	{ 4, true },			/* inside still */
	{ W + 3, true }, { 3, false },	/* just fell out */
	{ 5, true },			/* the last one inside */
	{ W + 4 + B, true },		/* a word further */
	{ 4 + B, false }, { 5 + B, true }, { 5 + B, false },
	{ 10 * W, true },		/* past the whole ring */
	{ 9 * W, false }, { 9 * W + 1, true }, { 9 * W + 1, false },
	{ 10 * W - 1, true }, { 10 * W, false },
	{ BIG - 1, true }, { BIG, true }, { BIG + 1, true },
	{ BIG - 1, false }, { BIG - W + 2, true }, { BIG - W + 1, false },
	{ 1000 * BIG, true }, { 1000 * BIG - W, false }, { 1000 * BIG - W + 1, true },
	{ SOTTO_SEQ_MAX, true }, { SOTTO_SEQ_MAX, false }, { SOTTO_SEQ_MAX + 1, false },
};

/* Window's top, what came, what it stands for (RFC 4303 appendix A2.2). */
static const struct {
	u64 top;
	u32 lo;
	u64 seq;
} sotto_esn_cases[] = {
	{ 0, 1, 1 }, { 0, 1000, 1000 },
	{ W, 1, 1 }, { W, W + 5, W + 5 }, { 2 * W, W + 1, W + 1 },
	{ 2 * W, 0x80000000, 0x80000000 },
	{ BIG - 1, 0, BIG }, { BIG - 1, 5, BIG + 5 }, { BIG - 1, 0xfffffff0, BIG - 16 },
	{ BIG - 1, (u32)(BIG - W), BIG - W },
	{ BIG - 1, (u32)(BIG - W - 1), 2 * BIG - W - 1 },
	{ BIG, 0, BIG }, { BIG, 1, BIG + 1 }, { BIG, 0xffffffff, BIG - 1 },
	{ BIG + 5, (u32)(BIG + 6 - W), BIG + 6 - W },
	{ BIG + 5, (u32)(BIG + 5 - W), 2 * BIG + 5 - W },
	{ 7 * BIG + W, 1, 7 * BIG + 1 }, { 7 * BIG + W - 2, 0xffffffff, 7 * BIG - 1 },
	{ 7 * BIG + 123456, 200000, 7 * BIG + 200000 },
};

static int sotto_replay_test_window(struct sotto_replay *r)
{
	const struct sotto_replay_step *s = sotto_replay_steps;
	int i;

	sotto_replay_init(r, 0);
	for (i = 0; i < ARRAY_SIZE(sotto_replay_steps); i++, s++) {
		if (sotto_replay_check(r, s->seq) != s->ok ||
		    sotto_replay_update(r, s->seq) != s->ok) {
			pr_err("sotto: selftest: replay step %d (%llu) went wrong\n",
			       i, s->seq);
			return -EINVAL;
		}
	}
	return 0;
}

/* Every number once, in a shuffled order within the window, none twice. */
static int sotto_replay_test_shuffle(struct sotto_replay *r)
{
	u64 base, seq;
	int i;

	sotto_replay_init(r, BIG - W / 2);
	for (base = BIG - W / 2 + 1; base < BIG + 4 * W; base += 64)
		for (i = 0; i < 64; i++) {
			seq = base + (i * 37) % 64;
			if (!sotto_replay_update(r, seq) || sotto_replay_update(r, seq)) {
				pr_err("sotto: selftest: replay of %llu went wrong\n", seq);
				return -EINVAL;
			}
		}
	return 0;
}

/* A window that begins elsewhere takes nothing old, and everything new. */
static int sotto_replay_test_begin(struct sotto_replay *r)
{
	static const u64 tops[] = { 1, B - 1, B, W, W + 1, BIG - 1, BIG, BIG + 77 };
	u64 top, i;
	int t;

	for (t = 0; t < ARRAY_SIZE(tops); t++) {
		top = tops[t];
		sotto_replay_init(r, top);
		for (i = 0; i < min_t(u64, top, 2 * W); i++)
			if (sotto_replay_check(r, top - i))
				goto wrong;
		for (i = 1; i <= 3 * W; i++)
			if (!sotto_replay_update(r, top + i))
				goto wrong;
	}
	return 0;
wrong:
	pr_err("sotto: selftest: window from %llu went wrong at %llu\n", top, i);
	return -EINVAL;
}

static int sotto_replay_test_esn(struct sotto_replay *r)
{
	u64 seq;
	int i;

	for (i = 0; i < ARRAY_SIZE(sotto_esn_cases); i++) {
		sotto_replay_init(r, sotto_esn_cases[i].top);
		seq = sotto_replay_esn(r, sotto_esn_cases[i].lo);
		if (seq != sotto_esn_cases[i].seq) {
			pr_err("sotto: selftest: ESN case %d gave %llu\n", i, seq);
			return -EINVAL;
		}
	}
	return 0;
}

int sotto_replay_selftest(void)
{
	struct sotto_replay *r = kmalloc(sizeof(*r), GFP_KERNEL);
	int err;

	if (!r)
		return -ENOMEM;
	err = sotto_replay_test_window(r) ?: sotto_replay_test_shuffle(r) ?:
	      sotto_replay_test_begin(r) ?: sotto_replay_test_esn(r);
	kfree(r);
	if (!err)
		pr_info("sotto: selftest: replay passed\n");
	return err;
}

#undef W
#undef B
#undef BIG
