package access

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
)

func TestSessionEndsWithoutRequests(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		g := newGate(t, Options{PasswordFile: passwordFile(t, line("alice", "*=viewer", "a"))})
		b := newBrowser(t, g)
		b.mustLogin("alice", "a")
		for range 3 {
			time.Sleep(DefaultIdle - time.Second) // fake time
			if !b.is("alice") {
				t.Fatal("a session in use has ended")
			}
		}
		// What a page does by itself is no use.
		time.Sleep(DefaultIdle - time.Second) // fake time
		if g.Peek(b.request("/")) == nil {
			t.Fatal("the session has ended early")
		}
		time.Sleep(time.Second) // fake time
		if !b.is("") {
			t.Error("the session goes on")
		}
	})
}

func TestSessionEndsAfterItsLifetime(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		g := newGate(t, Options{PasswordFile: passwordFile(t, line("alice", "*=viewer", "a")), Lifetime: 2 * time.Minute})
		b := newBrowser(t, g)
		b.mustLogin("alice", "a")
		begin := time.Now()
		for b.is("alice") && time.Since(begin) < time.Hour {
			time.Sleep(10 * time.Second) // fake time
		}
		if lasted := time.Since(begin); lasted != 2*time.Minute {
			t.Errorf("lasted %v", lasted)
		}
	})
}

func TestTokensAreRandomAndNotKept(t *testing.T) {
	s := newSessions(time.Hour, time.Hour)
	seen := map[string]bool{}
	for range 10 {
		token := s.start(User{Name: "alice"}, "")
		if len(token) != 43 || seen[token] { // 256 bits in base64
			t.Errorf("token %q", token)
		}
		seen[token] = true
		if kept := fmt.Sprintf("%+v", s.byHash); strings.Contains(kept, token) || strings.Contains(kept, hex.EncodeToString([]byte(token))) {
			t.Error("the token is kept")
		}
		for _, other := range []string{"", token[:42], token + "A", strings.ToUpper(token)} {
			if s.get(other, true) != nil {
				t.Errorf("%q is accepted", other)
			}
		}
	}
}

func TestSessionsAreBounded(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newSessions(time.Hour, time.Hour)
		bob := s.start(User{Name: "bob"}, "")
		var own []string
		for range maxOwnSessions {
			time.Sleep(time.Second) // fake time: the sessions differ in age
			own = append(own, s.start(User{Name: "alice"}, ""))
		}
		time.Sleep(time.Second) // fake time
		if s.get(own[0], true) == nil {
			t.Fatal("ended too early")
		}
		s.start(User{Name: "alice"}, "")
		// The second one was used least recently.
		if s.get(own[0], false) == nil || s.get(own[1], false) != nil || s.get(own[2], false) == nil || s.get(bob, false) == nil {
			t.Error("another session has ended than alice's least recently used one")
		}
		if len(s.byHash) != maxOwnSessions+1 {
			t.Errorf("%d sessions", len(s.byHash))
		}
	})
}

func TestSessionsOfAllUsersAreBounded(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newSessions(time.Hour, time.Hour)
		first := s.start(User{Name: "first"}, "")
		time.Sleep(time.Second) // fake time
		var hash [32]byte
		for i := range maxSessions - 1 {
			hash[0], hash[1] = byte(i), byte(i>>8)
			s.byHash[hash] = &session{user: User{Name: fmt.Sprint(i)}, started: time.Now(), seen: time.Now()}
		}
		last := s.start(User{Name: "last"}, "")
		if len(s.byHash) != maxSessions || s.get(first, true) != nil || s.get(last, true) == nil {
			t.Errorf("%d sessions", len(s.byHash))
		}
		time.Sleep(time.Hour) // fake time
		if s.start(User{Name: "later"}, ""); len(s.byHash) != 1 {
			t.Errorf("%d sessions, of which all but one have ended", len(s.byHash))
		}
	})
}
