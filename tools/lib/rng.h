/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random numbers without a system call for each: ChaCha20 with fast key erasure
 * (each block's first bytes are the next key, and what is handed out is wiped),
 * seeded by the kernel, for everything that uses libsodium's randombytes.
 */
#ifndef SOTTO_RNG_H
#define SOTTO_RNG_H

/**
 * sotto_rng_start() - after sodium_init(), and again in each child of a fork()
 * Every thread has a generator of its own. Seeds anew the calling thread's.
 */
void sotto_rng_start(void);

#endif /* SOTTO_RNG_H */
