package access

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// The limits of failed logins. After freeFailures, one more is allowed every failureInterval. Beyond
// that, logins from the address are refused, and a login with the name waits for nameDelay. Names are
// not refused, because otherwise an attacker could lock a user out with failed logins.
const (
	freeFailures    = 10
	failureInterval = 30 * time.Second
	nameDelay       = 5 * time.Second
	// maxCounted bounds the addresses, and the names, that are counted.
	maxCounted = 10_000
	// maxLogins is how many logins may be under way.
	maxLogins = 256
)

// TooManyError is returned when too many logins from one address have failed.
type TooManyError struct {
	RetryAfter time.Duration // until the next login is possible
}

// Error says when the next login is possible.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("too many logins failed; try again in %v", max(e.RetryAfter.Round(time.Second), time.Second))
}

// failures counts failed logins by a key. A failure is forgotten after failureInterval, the
// oldest first.
type failures[K comparable] struct {
	until map[K]time.Time // when the last failure of the key is forgotten
}

// over returns the time until a further failure is allowed; 0 if it is allowed now.
func (f *failures[K]) over(k K, now time.Time) time.Duration {
	return max(0, f.until[k].Add(-(freeFailures-1)*failureInterval).Sub(now))
}

func (f *failures[K]) add(k K, now time.Time) {
	until, ok := f.until[k]
	if !ok && len(f.until) >= maxCounted {
		f.makeRoom(now)
	}
	if until.Before(now) {
		until = now
	}
	// More failures than this have no further effect.
	if until = until.Add(failureInterval); until.After(now.Add(freeFailures * failureInterval)) {
		until = now.Add(freeFailures * failureInterval)
	}
	f.until[k] = until
}

// makeRoom removes the keys whose failures are all forgotten, or else any key.
func (f *failures[K]) makeRoom(now time.Time) {
	for k, until := range f.until {
		if !until.After(now) {
			delete(f.until, k)
		}
	}
	for k := range f.until {
		if len(f.until) < maxCounted {
			return
		}
		delete(f.until, k)
	}
}

func (f *failures[K]) remove(k K) {
	if until, ok := f.until[k]; ok {
		f.until[k] = until.Add(-failureInterval)
	}
}

// attempts limits logins by address and by name. It does not know which names exist.
type attempts struct {
	mu        sync.Mutex
	addresses failures[netip.Prefix]
	names     failures[string]
	tokens    failures[netip.Prefix] // requests with a wrong token
	underway  int
}

func newAttempts() *attempts {
	return &attempts{addresses: failures[netip.Prefix]{map[netip.Prefix]time.Time{}}, names: failures[string]{map[string]time.Time{}},
		tokens: failures[netip.Prefix]{map[netip.Prefix]time.Time{}}}
}

// begin waits until the login may be tried. The caller then calls end, with failed=false if the login
// does not count as a failure. The error is a *TooManyError, ErrBusy or the cause of ctx.
func (a *attempts) begin(ctx context.Context, addr netip.Addr, name string) (end func(failed bool), err error) {
	from := network(addr)
	name = name[:min(len(name), 128)]
	delay, err := a.count(from, name)
	if err != nil {
		return nil, err
	}
	end = func(failed bool) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.underway--; !failed {
			a.addresses.remove(from)
			a.names.remove(name)
		}
	}
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			end(true) // otherwise a client could try any number of logins by giving up early
			return nil, context.Cause(ctx)
		}
	}
	return end, nil
}

// count counts a failure before the login, so that logins at the same time are counted too.
func (a *attempts) count(from netip.Prefix, name string) (delay time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if wait := a.addresses.over(from, now); wait > 0 {
		return 0, &TooManyError{wait}
	}
	if a.underway >= maxLogins {
		return 0, ErrBusy
	}
	if a.names.over(name, now) > 0 {
		delay = nameDelay
	}
	a.addresses.add(from, now)
	a.names.add(name, now)
	a.underway++
	return delay, nil
}

// wrongToken counts a request with a wrong token. It returns ErrToken, or a *TooManyError if
// the address has sent too many.
func (a *attempts) wrongToken(addr netip.Addr) error {
	from := network(addr)
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if wait := a.tokens.over(from, now); wait > 0 {
		return &TooManyError{wait}
	}
	a.tokens.add(from, now)
	return ErrToken
}

// network returns the network that counts as one address: a single address of IPv4, or a /64 of IPv6.
func network(addr netip.Addr) netip.Prefix {
	bits := 64
	if addr = addr.Unmap().WithZone(""); addr.Is4() {
		bits = 32
	}
	p, _ := addr.Prefix(bits) // the zero Prefix for an unknown address
	return p
}
