/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The session exchange of Documentation/protocol.md, section 9, as a model for Spin.
 *
 * Two agents, either of which may ask; the server; and a network that is the intruder's:
 * what was sent may be lost for good, or arrive at any time, any number of times, in any
 * order, as long as somebody is there who can open it. Hosts, agents and the server lose
 * what they know in restarts; one member may be revoked; sessions are replaced.
 *
 * In every state: two ends that hold keys for one SPI hold the same ones; nobody holds a
 * session with a member of whose revocation it was told; who sends on new keys knows that
 * the other end has them. When nothing can happen any more: no ask is open, no mediation
 * pending, and both ends hold the same sessions. Spin itself looks for deadlocks.
 *
 * Each of these macros breaks the protocol in one place; "check" beside this file wants
 * the whole to hold, and each broken one to be found out.
 *
 *   NO_ACCEPT_CACHE  B answers a repeated offer by a new ephemeral under the same SPI
 *   NO_GONE_LIST     an agent forgets who was revoked once the sessions are dropped
 *   NO_PENDING       the server mediates for a pair twice at one time
 *   NO_DEADLINE      an ask whose answer is lost waits for ever
 *   NO_CONFIRM       B sends on the new keys before A has shown that it has them
 *   NO_UNKNOWN_SPI   nobody reports packets that it has no keys for
 */
#ifndef ASKS
#define ASKS	1	/* of each agent; the second one is a rekey */
#endif
#ifndef NS
#define NS	2	/* sessions: one for each ask */
#endif
/* What goes wrong besides the network: so many of each. */
#ifndef RESTARTS
#define RESTARTS 0	/* of a host or an agent */
#endif
#ifndef SERVER_RESTARTS
#define SERVER_RESTARTS 0
#endif
#ifndef REVOCATIONS
#define REVOCATIONS 0
#endif

#define P		2
#define AT(p, s)	((p) * NS + (s))
#define OTHER(p)	(1 - (p))
#define NOBODY		2

mtype = { UNUSED, PENDING, LIVE, OVER, LOST };

/* Sent, and not lost. */
bool m_offer[NS], m_accept[NS], m_decline[NS], m_grant[NS], m_probe[NS];
bool m_session_gone[P * NS], m_peer_gone[P];
byte m_request[P], m_refusal[P], m_pending[P];	/* number of the ask */

/* What is in them. */
byte accept_spi[NS], accept_eph[NS];		/* as B answered last */
byte grant_spi[NS], grant_eph[NS];		/* as the server took it first */
byte probe_eph[NS];

/* The server. */
mtype state[NS] = UNUSED;
byte asker[NS] = NOBODY, ask_of[NS];
bool taken_over[NS], known[P] = true;
byte n_sessions, handled[P], revoked = NOBODY;

/* Agents. */
byte asks[P];
bool open[P], told[P];
bool answered[NS], remembers[NS];		/* B's answer */

/* Kernels. */
bool has[P * NS], confirmed[P * NS], was_installed[NS];
byte spi_in[P * NS], spi_out[P * NS], eph[P * NS];	/* eph: B's, which makes the key */
byte next_eph = 1, next_spi = 1;		/* never twice */

byte restarts = RESTARTS, server_restarts = SERVER_RESTARTS, revocations = REVOCATIONS;

/* What is sent may be lost. */
inline send(flag)
{
	if
	:: flag = true
	:: skip
	fi
}

inline send_no(box, no)
{
	if
	:: box = no
	:: skip
	fi
}

inline remove(p, s)
{
	has[AT(p, s)] = false;
	confirmed[AT(p, s)] = false;
	spi_in[AT(p, s)] = 0;
	spi_out[AT(p, s)] = 0;
	eph[AT(p, s)] = 0
}

inline hold(p, s)
{
	assert(!told[p]);
	has[AT(p, s)] = true;
	assert(!(has[AT(0, s)] && has[AT(1, s)] && spi_out[AT(0, s)] == spi_in[AT(1, s)] &&
		 eph[AT(0, s)] != eph[AT(1, s)]))
}

/* The server ends a session, and tells those who may have it. */
inline end_session(s)
{
	state[s] = OVER;
	m_session_gone[AT(0, s)] = true;
	m_session_gone[AT(1, s)] = true
}

inline refuse(s)
{
	state[s] = OVER;
	send_no(m_refusal[asker[s]], ask_of[s])
}

/*
 * B's agent went in the middle of its offer, and said so: another one when it is back. Or did
 * not say so: another one when it refuses the first one that it does not remember.
 */
inline offer_again(s)
{
	state[s] = OVER;
	m_offer[s] = false;	/* of an association that is no more */
	m_accept[s] = false;
	m_decline[s] = false;
	state[n_sessions] = PENDING;
	asker[n_sessions] = asker[s];
	ask_of[n_sessions] = ask_of[s];
	send(m_offer[n_sessions]);
	n_sessions++
}

/* An agent asks, and gets its answer, or its time is up. */
proctype ask(byte p)
{
end:	do
	:: atomic { asks[p] < ASKS && !open[p] && !told[p] ->
		asks[p]++;
		open[p] = true;
		send_no(m_request[p], asks[p]) }
	:: atomic { open[p] && m_refusal[p] == asks[p] -> open[p] = false }
	:: atomic { open[p] && m_pending[p] == asks[p] && (has[AT(p, 0)] || has[AT(p, NS - 1)]) ->
		open[p] = false }
#ifndef NO_DEADLINE
	:: atomic { open[p] -> open[p] = false }
#endif
	:: atomic { m_peer_gone[p] && !told[p] ->
		byte s = 0;
		do
		:: s < NS -> remove(p, s); s++
		:: else -> break
		od;
		s = 0;
		told[p] = true }
	od
}

/* One session, at one agent and its kernel. */
proctype session(byte p, s)
{
	byte q = OTHER(p);

end:	do
	/* asked */
	:: atomic { m_grant[s] && asker[s] == p && open[p] && ask_of[s] == asks[p] ->
		open[p] = false;
		if
#ifndef NO_GONE_LIST
		:: told[p] -> skip
#endif
		:: else ->
			spi_in[AT(p, s)] = next_spi;
			next_spi++;
			spi_out[AT(p, s)] = grant_spi[s];
			eph[AT(p, s)] = grant_eph[s];
			was_installed[s] = true;
			probe_eph[s] = grant_eph[s];
			hold(p, s);
			send(m_probe[s])
		fi }
	/* was asked */
	:: atomic { m_offer[s] && asker[s] == q && !answered[s] ->
		answered[s] = true;
		if
#ifndef NO_GONE_LIST
		:: told[p] -> send(m_decline[s])
#endif
		:: else ->
			remembers[s] = true;
			spi_in[AT(p, s)] = next_spi;
			next_spi++;
			spi_out[AT(p, s)] = 255;	/* the asker's: no other's */
			eph[AT(p, s)] = next_eph;
			next_eph++;
			accept_spi[s] = spi_in[AT(p, s)];
			accept_eph[s] = eph[AT(p, s)];
			hold(p, s);
#ifdef NO_CONFIRM
			confirmed[AT(p, s)] = true;
			assert(was_installed[s]);
#endif
			send(m_accept[s])
		fi }
	/* was asked, once more */
	:: atomic { m_offer[s] && asker[s] == q && answered[s] && remembers[s] && !m_accept[s] &&
		    has[AT(p, s)] ->
		m_accept[s] = true }
#ifdef NO_ACCEPT_CACHE
	:: atomic { m_offer[s] && asker[s] == q && remembers[s] && has[AT(p, s)] && next_eph < 5 ->
		eph[AT(p, s)] = next_eph;
		next_eph++;
		accept_eph[s] = eph[AT(p, s)];
		hold(p, s);
		m_accept[s] = true }
#endif
	:: atomic { m_offer[s] && asker[s] == q && answered[s] && !remembers[s] && !m_decline[s] ->
		m_decline[s] = true }
	/* what opens with these keys was sealed with them */
	:: atomic { m_probe[s] && asker[s] == q && has[AT(p, s)] && !confirmed[AT(p, s)] &&
		    probe_eph[s] == eph[AT(p, s)] ->
		confirmed[AT(p, s)] = true;
		assert(was_installed[s]) }
	/* not used for 30 s: closed, and the server told, unless the agent is just not
	 * there; of what the server took over from a list, the next list tells it
	 */
	:: atomic { has[AT(p, s)] && asker[s] == q && !confirmed[AT(p, s)] ->
		remove(p, s);
		if
		:: state[s] == LIVE -> end_session(s)
		:: state[s] != LIVE || !taken_over[s] -> skip
		fi }
	:: atomic { m_session_gone[AT(p, s)] && has[AT(p, s)] -> remove(p, s) }
	/* a newer one is in use: this one is closed, and the server told */
	:: atomic { s < NS - 1 && has[AT(p, s)] && has[AT(p, NS - 1)] && confirmed[AT(p, NS - 1)] ->
		remove(p, s);
		if
		:: state[s] == LIVE -> end_session(s)
		:: else -> skip
		fi }
#ifndef NO_UNKNOWN_SPI
	/* the other end sends what nobody here can open */
	:: atomic { has[AT(q, s)] && !has[AT(p, s)] && (asker[s] == q || confirmed[AT(q, s)]) &&
		    state[s] == LIVE && !taken_over[s] ->
		end_session(s) }
#endif
	od
}

/* What an agent lists is what its kernel holds at that moment. */
inline hello(p, new_instance)
{
	known[p] = true;
	i = 0;
	do
	:: i < NS ->
		if
		:: state[i] == LOST && has[AT(p, i)] && known[OTHER(p)] -> end_session(i)
		:: state[i] == LOST && has[AT(p, i)] && !known[OTHER(p)] && revoked == NOBODY ->
			state[i] = LIVE;
			taken_over[i] = true
		:: state[i] == LOST && has[AT(p, i)] && !known[OTHER(p)] && revoked != NOBODY ->
			end_session(i)
		:: state[i] == LIVE && !has[AT(p, i)] && (new_instance || taken_over[i]) ->
			end_session(i)
		:: else -> skip
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

proctype server()
{
	byte p, i;

end:	do
	/* a request, once */
	:: atomic { m_request[0] > handled[0] || m_request[1] > handled[1] ->
		if
		:: m_request[0] > handled[0] -> p = 0
		:: m_request[1] > handled[1] -> p = 1
		fi;
		handled[p] = m_request[p];
		if
		:: revoked != NOBODY -> send_no(m_refusal[p], m_request[p])
#ifndef NO_PENDING
		:: revoked == NOBODY && n_sessions > 0 && state[n_sessions - 1] == PENDING ->
			send_no(m_pending[p], m_request[p])
#endif
		:: else ->
#ifdef NO_PENDING
			assert(!(n_sessions > 0 && state[n_sessions - 1] == PENDING));
#endif
			if
			:: n_sessions < NS ->
				state[n_sessions] = PENDING;
				asker[n_sessions] = p;
				ask_of[n_sessions] = m_request[p];
				send(m_offer[n_sessions]);
				n_sessions++
			:: else -> send_no(m_refusal[p], m_request[p])
			fi
		fi;
		p = 0 }
	/* somebody lost all that it knew; hosts say HELLO anew */
	:: atomic { server_restarts > 0 ->
		server_restarts--;
		known[0] = false;
		known[1] = false;
		i = 0;
		do
		:: i < NS ->
			m_offer[i] = false;	/* of associations that are no more */
			m_accept[i] = false;
			m_decline[i] = false;
			m_grant[i] = false;
			if
			:: state[i] == PENDING || state[i] == LIVE -> state[i] = LOST
			:: else -> skip
			fi;
			i++
		:: else -> break
		od;
		i = 0 }
	:: atomic { !known[0] -> hello(0, false) }
	:: atomic { !known[1] -> hello(1, false) }
	:: atomic { revocations > 0 ->
		revocations--;
		if
		:: revoked = 0
		:: revoked = 1
		fi;
		i = 0;
		do
		:: i < NS ->
			if
			:: state[i] == PENDING -> refuse(i)
			:: state[i] == LIVE -> state[i] = OVER
			:: else -> skip
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		/* the revoked one drops all itself, or is not to be trusted anyway */
		m_peer_gone[0] = true;
		m_peer_gone[1] = true }
	/* an agent, or a host with it */
	:: atomic { restarts > 0 ->
		restarts--;
		if
		:: p = 0
		:: p = 1
		fi;
		open[p] = false;
		i = 0;
		do
		:: i < NS ->
			if
			:: asker[i] == OTHER(p) -> remembers[i] = false
			:: else -> skip
			fi;
			if
			:: asker[i] == OTHER(p) && state[i] != PENDING -> m_offer[i] = false
			:: asker[i] == OTHER(p) && state[i] == PENDING && n_sessions < NS ->
				offer_again(i)
			:: asker[i] != OTHER(p) || state[i] == PENDING -> skip
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		if
		:: skip				/* the agent alone: its kernel has all */
		:: do
		   :: i < NS -> remove(p, i); answered[i] = answered[i]; i++
		   :: else -> break
		   od;
		   i = 0;
		   hello(p, true)
		fi;
		p = 0 }
	od
}

/* One mediation: B's answer, or its time is up. */
proctype mediation(byte s)
{
end:	do
	:: atomic { state[s] == PENDING && m_accept[s] ->
		state[s] = LIVE;
		grant_spi[s] = accept_spi[s];
		grant_eph[s] = accept_eph[s];
		send(m_grant[s]) }
	:: atomic { state[s] == PENDING && m_decline[s] -> refuse(s) }
	:: atomic { state[s] == PENDING -> refuse(s) }
	/* B holds keys that nobody will use */
	:: atomic { (state[s] == OVER || state[s] == LOST) && m_accept[s] &&
		    !m_session_gone[AT(OTHER(asker[s]), s)] ->
		m_session_gone[AT(OTHER(asker[s]), s)] = true }
	od
}

/* Nothing can happen any more. */
proctype rest()
{
end:	do
	:: timeout ->
		assert(!open[0] && !open[1]);
		byte s = 0;
		do
		:: s < NS ->
			assert(state[s] != PENDING);
			assert(has[AT(0, s)] == has[AT(1, s)]);
			s++
		:: else -> break
		od;
		break
	od
}

init {
	byte s = 0;

	atomic {
		run ask(0);
		run ask(1);
		run server();
		run rest();
		do
		:: s < NS ->
			run session(0, s);
			run session(1, s);
			run mediation(s);
			s++
		:: else -> break
		od
	}
}
