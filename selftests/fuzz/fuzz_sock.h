/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bytes to a local control socket, as a client's; each line that comes back
 * must be an answer.
 */
#ifndef SOTTO_FUZZ_SOCK_H
#define SOTTO_FUZZ_SOCK_H

#include "fuzz.h"

#include <ev.h>
#include <jansson.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "paths.h"

static inline void fuzz_check_answers(const char *text, size_t len)
{
	while (len) {
		const char *nl = memchr(text, '\n', len);
		size_t n = nl ? (size_t)(nl - text) + 1 : len;
		json_t *o = nl ? json_loadb(text, n, 0, NULL) : NULL;

		MUST(!nl || json_is_object(o));
		json_decref(o);
		text += n;
		len -= n;
	}
}

static inline void fuzz_turns(struct ev_loop *loop)
{
	int i;

	for (i = 0; i < 4; i++)
		ev_run(loop, EVRUN_NOWAIT);
}

/* @sock: its name in the folder for such. */
static inline void fuzz_socket(struct ev_loop *loop, const char *sock,
			       const uint8_t *data, size_t len)
{
	static char answer[1 << 20];
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char path[SOTTO_PATH_MAX];
	size_t have = 0;
	ssize_t n;

	sotto_path(path, SOTTO_RUN, sock);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%.100s", path);
	MUST(!connect(fd, (struct sockaddr *)&sun, sizeof(sun)));
	if (len && send(fd, data, len, MSG_NOSIGNAL) < 0)
		len = 0;
	(void)!send(fd, "\n", 1, MSG_NOSIGNAL);
	fuzz_turns(loop);
	while (have < sizeof(answer) &&
	       (n = recv(fd, answer + have, sizeof(answer) - have, 0)) > 0)
		have += n;
	close(fd);
	fuzz_turns(loop);
	fuzz_check_answers(answer, have);
}

#endif /* SOTTO_FUZZ_SOCK_H */
