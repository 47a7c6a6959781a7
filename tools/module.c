// SPDX-License-Identifier: GPL-2.0
/*
 * Loading and unloading sotto.ko, and saying why it does not work.
 */
#include "module.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli.h"
#include "lib/genl.h"

#define PARAM_DIR	"/sys/module/sotto/parameters"
#define PARAMS_MAX	256	/* bytes of all parameters, with the NUL */
#define ARGS_MAX	16	/* words for modprobe */

#define SIGN_IT	\
	"this kernel (%s) takes only modules that are signed with a key it knows (Secure Boot does that): sign sotto.ko, see \"When the module is refused\" in operations.md"

/* What modprobe's or the kernel's words mean, and what to do. */
static const struct {
	const char *words;
	const char *advice;
} advices[] = {
	{ "not found",
	  "it is not installed for this kernel (%s); build and install it with \"make && make install\"" },
	{ "Key was rejected", SIGN_IT },
	{ "Required key not available", SIGN_IT },
	{ "Exec format",
	  "it was built for another kernel than %s; build it again with \"make\"" },
	{ "Invalid module format",
	  "it was built for another kernel than %s; build it again with \"make\"" },
	{ "Unknown symbol",
	  "kernel %s lacks something it needs; \"dmesg\" names it" },
	{ "Function not implemented",
	  "this kernel (%s) cannot load modules" },
	{ "not permitted",
	  "not permitted: run it as root, outside a container, with module loading enabled (kernel %s)" },
};

/* Does the file's first line have these words? */
static bool file_says(const char *path, const char *words)
{
	char line[256] = "";
	FILE *f = fopen(path, "re");
	bool says;

	if (!f)
		return false;
	says = fgets(line, sizeof(line), f) && strstr(line, words);
	fclose(f);
	return says;
}

static bool modules_disabled(void)
{
	return file_says("/proc/sys/kernel/modules_disabled", "1");
}

static bool locked_down(void)
{
	return file_says("/sys/kernel/security/lockdown", "[integrity]") ||
	       file_says("/sys/kernel/security/lockdown", "[confidentiality]");
}

/* The file that would be loaded has a signature, whosever it is. */
static bool is_signed(void)
{
	const char *path = getenv("SOTTO_MODULE");
	const char *modinfo[] = { "modinfo", "-F", "sig_id", path && *path ? path : "sotto", NULL };
	char output[RUN_OUTPUT_MAX];

	return run_program(modinfo, NULL, output) || output[0];
}

const char *module_refusal(void)
{
	if (modules_disabled())
		return "this kernel was told to load no more modules (kernel.modules_disabled)";
	if ((locked_down() || file_says("/sys/module/module/parameters/sig_enforce", "Y")) &&
	    !is_signed())
		return "this kernel takes only signed modules, and sotto.ko is not";
	return NULL;
}

static int explain(const char *output)
{
	struct utsname u;

	uname(&u);
	if (modules_disabled())
		return fail(EXIT_DOWN,
			    "cannot load the kernel module: this kernel was told to load no modules (kernel.modules_disabled); reboot to change that");
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		const char *words = advices[i].advice;
		char advice[512];

		if (!strstr(output, advices[i].words))
			continue;
		/* A kernel that is locked down refuses root as it would anybody. */
		if (!strcmp(advices[i].words, "not permitted") && locked_down() && !geteuid())
			words = SIGN_IT;
		snprintf(advice, sizeof(advice), words, u.release);
		return fail(geteuid() ? EXIT_PERM : EXIT_DOWN,
			    "cannot load the kernel module: %s (%s)", advice, output);
	}
	return fail(geteuid() ? EXIT_PERM : EXIT_DOWN,
		    "cannot load the kernel module: %s; \"dmesg\" may say more",
		    output[0] ? output : "no reason given");
}

/* What a module file needs is loaded first, as modprobe would. */
static void load_dependencies(char *path)
{
	const char *modinfo[] = { "modinfo", "-F", "depends", path, NULL };
	char list[RUN_OUTPUT_MAX], ignored[RUN_OUTPUT_MAX];
	char *save = NULL;

	if (run_program(modinfo, NULL, list))
		return;
	for (char *dep = strtok_r(list, ",\n", &save); dep;
	     dep = strtok_r(NULL, ",\n", &save)) {
		const char *modprobe[] = { "modprobe", dep, NULL };

		/* one that is missing shows itself when ours is loaded */
		run_program(modprobe, NULL, ignored);
	}
}

int module_load(const char *parameters)
{
	const char *argv[ARGS_MAX + 3] = { "modprobe", "sotto" };
	char *path = getenv("SOTTO_MODULE");
	char output[RUN_OUTPUT_MAX], words[PARAMS_MAX];
	char *save = NULL;
	int n = 2;
	int ret;

	if (sgenl_loaded())
		return EXIT_OK;
	if (path && *path) {
		load_dependencies(path);
		argv[0] = "insmod";
		argv[1] = path;
	}
	snprintf(words, sizeof(words), "%s", parameters);
	for (char *w = strtok_r(words, " ", &save); w && n < ARGS_MAX;
	     w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	ret = run_program(argv, NULL, output);
	if (ret == -ENOENT)
		return fail(EXIT_DOWN,
			    "cannot load the kernel module: there is no %s program; install kmod",
			    argv[0]);
	if (ret < 0)
		return fail(EXIT_FAILED, "cannot run %s: %s", argv[0], strerror(-ret));
	return ret ? explain(output) : EXIT_OK;
}

int module_unload(void)
{
	const char *argv[] = { "rmmod", "sotto", NULL };
	char output[RUN_OUTPUT_MAX];
	int ret;

	if (access("/sys/module/sotto", F_OK))
		return EXIT_OK;
	ret = run_program(argv, NULL, output);
	if (!ret)
		return EXIT_OK;
	if (ret < 0)
		return fail(EXIT_FAILED, "cannot run rmmod: %s", strerror(-ret));
	if (strstr(output, "in use") || strstr(output, "busy"))
		return fail(EXIT_FAILED,
			    "the kernel module is busy: another network namespace has it up; run \"sotto down\" there (%s)",
			    output);
	return fail(geteuid() ? EXIT_PERM : EXIT_FAILED,
		    "cannot unload the kernel module: %s", output);
}

static void read_parameter(const char *name, char *out, size_t size)
{
	char path[128];
	FILE *f;

	out[0] = 0;
	snprintf(path, sizeof(path), PARAM_DIR "/%s", name);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(out, size, f))
		out[strcspn(out, "\n")] = 0;
	fclose(f);
}

void module_parameters(char *out, size_t size)
{
	static const char *const names[] = { "keylog" };
	size_t len = 0;

	out[0] = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char value[32];

		read_parameter(names[i], value, sizeof(value));
		if (value[0] && len < size)
			len += snprintf(out + len, size - len, "%s%s=%s",
					len ? " " : "", names[i], value);
	}
}
