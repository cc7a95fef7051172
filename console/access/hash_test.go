package access

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/ltsworker/ltsworker/internal/faketime"
)

// From src/test.c of the reference implementation of Argon2.
const referenceHash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

func TestHashOfTheReferenceImplementationIsVerified(t *testing.T) {
	d, err := parseDigest(referenceHash)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := newHasher().verify(t.Context(), d, "password"); !same || err != nil {
		t.Error(same, err)
	}
}

func TestOnlyThePasswordOfAHashIsVerified(t *testing.T) {
	const password = "crème brûlée 焦糖布丁"
	d, err := parseDigest(newDigest(password).String())
	if err != nil {
		t.Fatal(err)
	}
	if other := newDigest(password); string(other.salt) == string(d.salt) {
		t.Error("two hashes have the same salt")
	}
	for try, want := range map[string]bool{
		password: true,
		"cre\u0300me bru\u0302le\u0301e 焦糖布丁": true, // the same characters, decomposed
		"":                        false,
		password + " ":            false,
		strings.ToUpper(password): false,
	} {
		if same, err := newHasher().verify(t.Context(), d, try); same != want || err != nil {
			t.Errorf("%q: %v %v", try, same, err)
		}
	}
}

func TestPasswordBeyondTheLimitIsWrong(t *testing.T) {
	h := &hasher{make(chan struct{}, 1), func(p string, _ []byte, _ params, _ int) []byte {
		if len(p) > maxPassword {
			t.Errorf("%d bytes are hashed", len(p))
		}
		return []byte("key")
	}}
	if same, _ := h.verify(t.Context(), digest{key: []byte("key")}, strings.Repeat("x", maxPassword+1)); same {
		t.Error("accepted")
	}
}

func TestHashesAreParsedStrictly(t *testing.T) {
	good := newTestDigest(defaultParams, 16, 32)
	for _, ok := range []digest{good, newTestDigest(params{7168, 5, 1}, 16, 32), newTestDigest(params{65536, 3, 4}, 8, 64)} {
		if _, err := parseDigest(ok.String()); err != nil {
			t.Errorf("%v: %v", ok, err)
		}
	}
	text := good.String()
	for _, wrong := range []string{
		"", "x", text + "=", text + "$", text + " ", " " + text, strings.Replace(text, "argon2id", "argon2i", 1),
		strings.Replace(text, "v=19", "v=16", 1), strings.Replace(text, "m=", "m=0", 1), strings.Replace(text, "m=", "m=+", 1),
		strings.Replace(text, ",t=2,p=1", ",p=1,t=2", 1), strings.Replace(text, "p=1", "p=257", 1), strings.Replace(text, "m=19456", "m=4294986752", 1),
		text[:strings.LastIndexByte(text, '$')], text[:strings.LastIndexByte(text, '$')+1],
		newTestDigest(defaultParams, 7, 32).String(), newTestDigest(defaultParams, 16, 15).String(), newTestDigest(defaultParams, 65, 32).String(),
		newTestDigest(params{19456, 1, 1}, 16, 32).String(), newTestDigest(params{4096, 16, 1}, 16, 32).String(), newTestDigest(params{65536, 0, 1}, 16, 32).String(),
		newTestDigest(params{maxMemory + 1, 2, 1}, 16, 32).String(), newTestDigest(params{65536, 17, 1}, 16, 32).String(), newTestDigest(params{65536, 2, 0}, 16, 32).String(),
		newTestDigest(params{1 << 31, 2, 1}, 16, 32).String(),
	} {
		if _, err := parseDigest(wrong); err == nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
}

func newTestDigest(p params, salt, key int) digest {
	return digest{p, []byte(strings.Repeat("s", salt)), []byte(strings.Repeat("k", key))}
}

func TestHashesComputedAtOnceAreBounded(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		release := make(chan struct{})
		h := newHasher()
		h.derive = func(string, []byte, params, int) []byte {
			most.Store(max(most.Load(), running.Add(1)))
			<-release
			running.Add(-1)
			return nil
		}
		for range 3 * maxHashes {
			go h.verify(t.Context(), digest{}, "")
		}
		synctest.Wait()
		if n := running.Load(); n != maxHashes {
			t.Errorf("%d hashes at once, want %d", n, maxHashes)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		cancel(gone)
		if _, err := h.verify(ctx, digest{}, ""); !errors.Is(err, gone) {
			t.Errorf("a client that has gone waits on: %v", err)
		}
		close(release)
		synctest.Wait()
		if n := most.Load(); n != maxHashes {
			t.Errorf("%d hashes at once, want %d", n, maxHashes)
		}
	})
}
