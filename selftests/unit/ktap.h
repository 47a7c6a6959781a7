/* SPDX-License-Identifier: GPL-2.0 */
/*
 * KTAP for user-space unit tests: a table of functions, EXPECT and ASSERT.
 */
#ifndef SOTTO_KTAP_H
#define SOTTO_KTAP_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct ktap_test {
	const char *name;
	void (*fn)(void);
};

static bool ktap_failed;
static const char *ktap_skipped;

#define EXPECT(cond)							\
	do {								\
		if (!(cond)) {						\
			ktap_failed = true;				\
			printf("# %s:%d: not true: %s\n", __FILE__,	\
			       __LINE__, #cond);			\
		}							\
	} while (0)

/* As EXPECT, and leaves the test. */
#define ASSERT(cond)							\
	do {								\
		if (!(cond)) {						\
			ktap_failed = true;				\
			printf("# %s:%d: not true, test ends: %s\n",	\
			       __FILE__, __LINE__, #cond);		\
			return;						\
		}							\
	} while (0)

#define EXPECT_EQ(a, b)							\
	do {								\
		long long a_ = (a), b_ = (b);				\
		if (a_ != b_) {						\
			ktap_failed = true;				\
			printf("# %s:%d: %s is %lld, not %s (%lld)\n",	\
			       __FILE__, __LINE__, #a, a_, #b, b_);	\
		}							\
	} while (0)

#define SKIP(why)							\
	do {								\
		ktap_skipped = (why);					\
		return;							\
	} while (0)

/* Path of a file of the project; tests run at its top or with SOTTO_TOP set. */
static inline const char *ktap_path(char *buf, size_t len, const char *name)
{
	const char *top = getenv("SOTTO_TOP");

	snprintf(buf, len, "%s/%s", top ? top : ".", name);
	return buf;
}

static inline int ktap_run(const struct ktap_test *tests, int n)
{
	int i, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%d\n", n);
	for (i = 0; i < n; i++) {
		ktap_failed = false;
		ktap_skipped = NULL;
		tests[i].fn();
		if (ktap_skipped && !ktap_failed)
			printf("ok %d %s # SKIP %s\n", i + 1, tests[i].name,
			       ktap_skipped);
		else
			printf("%sok %d %s\n", ktap_failed ? "not " : "", i + 1,
			       tests[i].name);
		failed += ktap_failed;
	}
	return failed ? 1 : 0;
}

#define KTAP_MAIN(tests)						\
	int main(void)							\
	{								\
		return ktap_run(tests, sizeof(tests) / sizeof((tests)[0])); \
	}

#endif /* SOTTO_KTAP_H */
