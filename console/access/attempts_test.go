package access

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
)

// spend fails as often as is free.
func spend(b *browser, name string) {
	b.t.Helper()
	for i := range freeFailures {
		if err := b.login(name, "wrong"); !errors.Is(err, ErrCredentials) {
			b.t.Fatalf("failure %d: %v", i+1, err)
		}
	}
}

func TestAddressThatFailsTooOftenIsRefusedForAWhile(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		g := newGate(t, Options{PasswordFile: passwordFile(t, line("alice", "*=viewer", "a"))})
		b := newBrowser(t, g)
		for i := range freeFailures {
			if err := b.login(fmt.Sprint("guess", i), "a"); !errors.Is(err, ErrCredentials) {
				t.Fatalf("failure %d: %v", i+1, err)
			}
		}
		var refused *TooManyError
		if err := b.login("alice", "a"); !errors.As(err, &refused) || refused.RetryAfter != failureInterval {
			t.Fatalf("%v", err)
		}
		if err := b.login("alice", "a"); !errors.As(err, &refused) || refused.RetryAfter != failureInterval {
			t.Fatalf("a refused login counts: %v", err)
		}
		time.Sleep(refused.RetryAfter) // fake time
		if err := b.login("bob", "a"); !errors.Is(err, ErrCredentials) {
			t.Fatalf("after %v: %v", refused.RetryAfter, err)
		}
		if err := b.login("alice", "a"); !errors.As(err, &refused) {
			t.Fatalf("a second login after the interval: %v", err)
		}
		time.Sleep(freeFailures * failureInterval) // fake time
		spend(b, "alice")
	})
}

func TestAddressesAreCountedByNetwork(t *testing.T) {
	g := newGate(t, Options{PasswordFile: passwordFile(t, line("alice", "*=viewer", "a"))})
	from := func(addr string) error {
		b := newBrowser(t, g)
		b.from = addr
		return b.login("alice", "a")
	}
	for _, addr := range []string{"[2001:db8:1:2::1]:5", "198.51.100.1:5", "@"} {
		b := newBrowser(t, g)
		b.from = addr
		for i := range freeFailures {
			b.login(fmt.Sprint("guess", i), "x")
		}
	}
	for addr, refused := range map[string]bool{
		"[2001:db8:1:2:ffff::9]:7": true, "[2001:db8:1:3::1]:5": false, "198.51.100.1:9": true, "[::ffff:198.51.100.1]:9": true, "198.51.100.2:5": false, "@": true,
	} {
		var tooMany *TooManyError
		if err := from(addr); errors.As(err, &tooMany) != refused || !refused && err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestStrangerDelaysTheLoginOfAUserButCannotPreventIt(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		g := newGate(t, Options{PasswordFile: passwordFile(t, line("alice", "*=viewer", "a"))})
		for i := range 50 { // strangers
			b := newBrowser(t, g)
			b.from = fmt.Sprintf("203.0.113.%d:1", i)
			for range freeFailures {
				if err := b.login("alice", "wrong"); !errors.Is(err, ErrCredentials) {
					t.Fatal(err)
				}
			}
		}
		alice := newBrowser(t, g)
		begin := time.Now()
		alice.mustLogin("alice", "a")
		if took := time.Since(begin); took != nameDelay {
			t.Errorf("the login took %v, want %v", took, nameDelay)
		}
		time.Sleep(freeFailures * failureInterval) // fake time
		begin = time.Now()
		if alice.mustLogin("alice", "a"); time.Since(begin) != 0 {
			t.Errorf("later the login took %v", time.Since(begin))
		}
	})
}

func TestNamesAreLimitedWhetherTheyExistOrNot(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		g := newGate(t, Options{PasswordFile: passwordFile(t, line("alice", "*=viewer", "a"))})
		for _, name := range []string{"alice", "nobody"} {
			b := newBrowser(t, g)
			b.from = "203.0.113.1:" + fmt.Sprint(len(name))
			begin := time.Now()
			spend(b, name)
			if took := time.Since(begin); took != 0 {
				t.Errorf("%s: the free failures took %v", name, took)
			}
			other := newBrowser(t, g)
			other.from = "203.0.113.77:1"
			begin = time.Now()
			if other.login(name, "wrong"); time.Since(begin) != nameDelay {
				t.Errorf("%s: %v", name, time.Since(begin))
			}
			time.Sleep(2 * freeFailures * failureInterval) // fake time
		}
	})
}

func TestSuccessIsNotCountedAndForgivesNothing(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		g := newGate(t, Options{PasswordFile: passwordFile(t, line("alice", "*=viewer", "a"))})
		b := newBrowser(t, g)
		begin := time.Now()
		for range 3 * freeFailures {
			b.mustLogin("alice", "a")
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("the logins were delayed by %v", took)
		}
		// A stranger with an account must not get guesses by logging in in between.
		for i := range freeFailures {
			b.mustLogin("alice", "a")
			b.login(fmt.Sprint("guess", i), "x")
		}
		var refused *TooManyError
		if err := b.login("alice", "a"); !errors.As(err, &refused) {
			t.Errorf("%v", err)
		}
	})
}

func TestLoginsAtTheSameTimeAreCounted(t *testing.T) {
	a := newAttempts()
	addr := netip.MustParseAddr("192.0.2.1")
	for range freeFailures {
		if _, err := a.begin(t.Context(), addr, "alice"); err != nil {
			t.Fatal(err)
		}
	}
	var refused *TooManyError
	if _, err := a.begin(t.Context(), addr, "alice"); !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
}

func TestLoginsUnderWayAreBounded(t *testing.T) {
	a := newAttempts()
	begin := func(i int) (func(bool), error) {
		return a.begin(t.Context(), netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), fmt.Sprint(i))
	}
	var end func(bool)
	for i := range maxLogins {
		var err error
		if end, err = begin(i); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := begin(maxLogins); !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
	end(false)
	if _, err := begin(maxLogins); err != nil {
		t.Error(err)
	}
}

func TestCountedFailuresAreBounded(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f := failures[int]{map[int]time.Time{}}
		for i := range maxCounted {
			f.add(i, time.Now())
		}
		f.add(maxCounted, time.Now())
		if n := len(f.until); n != maxCounted || f.until[maxCounted].IsZero() {
			t.Errorf("%d keys, the newest %v", n, f.until[maxCounted])
		}
		time.Sleep(failureInterval) // fake time
		if f.add(-1, time.Now()); len(f.until) != 1 {
			t.Errorf("%d keys after all were forgotten", len(f.until))
		}
	})
}

func TestClientThatGivesUpHasFailed(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		a := newAttempts()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for i := range 2 * freeFailures {
			a.begin(t.Context(), netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), "alice")
		}
		addr := netip.MustParseAddr("192.0.2.1")
		if _, err := a.begin(ctx, addr, "alice"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%v", err)
		}
		if a.underway != 2*freeFailures || !a.addresses.until[network(addr)].After(time.Now()) {
			t.Errorf("%d under way, %v", a.underway, a.addresses)
		}
	})
}
