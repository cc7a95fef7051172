package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

// The lifetimes of a session. The OWASP Session Management Cheat Sheet recommends 15 to 30 minutes
// without a request for ordinary applications, and 4 to 8 hours in all for applications that are used
// the whole day.
const (
	DefaultIdle     = 30 * time.Minute
	DefaultLifetime = 8 * time.Hour
)

const (
	// maxSessions and maxOwnSessions are how many sessions a process and a user may have.
	maxSessions    = 10_000
	maxOwnSessions = 20
	tokenSize      = 32
)

// session is a login.
type session struct {
	user    User
	line    string // of the password file, with MethodPassword
	started time.Time
	seen    time.Time
}

// sessions are the logins of this process. The tokens are not kept, only their hashes.
type sessions struct {
	idle, lifetime time.Duration

	mu     sync.Mutex
	byHash map[[sha256.Size]byte]*session
}

func newSessions(idle, lifetime time.Duration) *sessions {
	return &sessions{idle: idle, lifetime: lifetime, byHash: map[[sha256.Size]byte]*session{}}
}

// start begins a session and returns its token. If the user or the process has too many
// sessions, the one that was used least recently ends.
func (s *sessions) start(u User, line string) (token string) {
	b := make([]byte, tokenSize)
	rand.Read(b)
	token = base64.RawURLEncoding.EncodeToString(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.makeRoom(u.Name, now)
	s.byHash[sha256.Sum256([]byte(token))] = &session{user: u, line: line, started: now, seen: now}
	return token
}

func (s *sessions) makeRoom(name string, now time.Time) {
	type oldest struct {
		hash [sha256.Size]byte
		*session
		n int
	}
	var all, own oldest
	for hash, one := range s.byHash {
		if s.ended(one, now) {
			delete(s.byHash, hash)
			continue
		}
		for _, o := range []*oldest{&all, &own} {
			if o == &own && one.user.Name != name {
				continue
			}
			if o.n++; o.session == nil || one.seen.Before(o.seen) {
				o.hash, o.session = hash, one
			}
		}
	}
	if own.n >= maxOwnSessions {
		delete(s.byHash, own.hash)
	} else if all.n >= maxSessions {
		delete(s.byHash, all.hash)
	}
}

func (s *sessions) ended(one *session, now time.Time) bool {
	return now.Sub(one.started) >= s.lifetime || now.Sub(one.seen) >= s.idle
}

// get returns a copy of the session with the token, or nil. used restarts its idle time.
func (s *sessions) get(token string, used bool) *session {
	hash := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	one, now := s.byHash[hash], time.Now()
	if one == nil {
		return nil
	}
	if s.ended(one, now) {
		delete(s.byHash, hash)
		return nil
	}
	if used {
		one.seen = now
	}
	found := *one
	return &found
}

// end ends the session with the token.
func (s *sessions) end(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byHash, sha256.Sum256([]byte(token)))
}

// endAll ends all sessions of a user and returns how many there were.
func (s *sessions) endAll(name string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for hash, one := range s.byHash {
		if one.user.Name == name {
			if !s.ended(one, now) {
				n++
			}
			delete(s.byHash, hash)
		}
	}
	return n
}

// all returns copies of the sessions that have not ended.
func (s *sessions) all() (found []session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, one := range s.byHash {
		if !s.ended(one, now) {
			found = append(found, *one)
		}
	}
	return found
}
