// SPDX-License-Identifier: GPL-2.0
/*
 * Latencies, and what the server spent.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define SAMPLES_MAX	(8u << 20)

void sample_add(uint64_t us)
{
	struct samples *s = &ld.lat;

	if (!s->us) {
		s->cap = SAMPLES_MAX;
		s->us = malloc(s->cap * sizeof(*s->us));
		if (!s->us)
			die("out of memory");
	}
	if (s->n < s->cap)
		s->us[s->n++] = us < UINT32_MAX ? us : UINT32_MAX;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t quantile(double q)
{
	return ld.lat.n ? ld.lat.us[(size_t)(q * (ld.lat.n - 1))] : 0;
}

/* What a thread has run, and what it was ready to and did not. */
static void add_thread(struct usage *u, const char *pid, const char *tid)
{
	uint64_t ran, waited;
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/task/%.20s/schedstat", pid, tid);
	f = fopen(path, "r");
	if (f && fscanf(f, "%" SCNu64 " %" SCNu64, &ran, &waited) == 2) {
		u->cpu_s += ran / 1e9;
		u->ready_s += waited / 1e9;
	}
	if (f)
		fclose(f);
}

static void add_process(struct usage *u, const char *pid)
{
	char path[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%.20s/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			add_thread(u, pid, e->d_name);
	if (d)
		closedir(d);
}

static uint64_t process_rss(const char *pid)
{
	char path[64], line[160];
	uint64_t kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %" SCNu64, &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib << 10;
}

struct usage usage_now(void)
{
	struct usage u = { 0 };
	char list[128], *save = NULL, *pid;

	snprintf(list, sizeof(list), "%s", ld.pids ? ld.pids : "");
	for (pid = strtok_r(list, ",", &save); pid;
	     pid = strtok_r(NULL, ",", &save)) {
		add_process(&u, pid);
		u.rss += process_rss(pid);
	}
	return u;
}

void report(const char *what, uint64_t done, double seconds,
	    const struct usage *before)
{
	struct usage now = usage_now();
	double cpu = now.cpu_s - before->cpu_s;

	if (ld.lat.n)
		qsort(ld.lat.us, ld.lat.n, sizeof(*ld.lat.us), by_value);
	printf("{\"what\":\"%s\",\"members\":%u,\"done\":%" PRIu64
	       ",\"seconds\":%.3f,\"per_second\":%.0f,\"server_cpu_seconds\":%.3f,\"server_ready_seconds\":%.3f,\"per_cpu_second\":%.0f,"
	       "\"rss_bytes\":%" PRIu64 ",\"p50_us\":%u,\"p99_us\":%u,\"p999_us\":%u,\"max_us\":%u,"
	       "\"turn_max_us\":%" PRIu64 ","
	       "\"refused\":%" PRIu64 ",\"timeouts\":%" PRIu64 ",\"strays\":%" PRIu64 "}\n",
	       what, ld.members, done, seconds, done / seconds, cpu,
	       now.ready_s - before->ready_s,
	       cpu > 0 ? done / cpu : 0, now.rss, quantile(.5), quantile(.99),
	       quantile(.999), quantile(1), ld.turn_max_us, ld.refused, ld.timeouts, ld.strays);
	fflush(stdout);
	ld.lat.n = 0;
	ld.turn_max_us = 0;
	ld.refused = 0;
	ld.timeouts = 0;
	ld.strays = 0;
}
