package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// params are the costs of a hash with argon2id.
type params struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
}

// defaultParams are the first choice of the OWASP Password Storage Cheat Sheet. RFC 9106
// recommends more memory, where a machine has it: hashes with its parameters are accepted.
var defaultParams = params{memory: 19 << 10, time: 2, threads: 1}

// The bounds of hashes that a password file may contain. OWASP regards as equal 46 MiB with
// time 1, 19 MiB with 2, 12 MiB with 3, 9 MiB with 4 and 7 MiB with 5. The upper bounds limit
// what one login costs.
const (
	minMemory = 7 << 10
	minWork   = 7 << 10 * 5 // memory × time
	maxMemory = 128 << 10
	maxTime   = 16
	maxLanes  = 16
	saltSize  = 16
	keySize   = 32
)

// digest is a hash of a password.
type digest struct {
	params
	salt, key []byte
}

var b64 = base64.RawStdEncoding.Strict()

// String returns the digest in the PHC string format.
func (d digest) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, d.memory, d.time, d.threads,
		b64.EncodeToString(d.salt), b64.EncodeToString(d.key))
}

// parseDigest parses a PHC string. It accepts only the form that String returns.
func parseDigest(text string) (digest, error) {
	var d digest
	var version int
	var rest string
	if _, err := fmt.Sscanf(text, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &d.memory, &d.time, &d.threads, &rest); err != nil {
		return d, errors.New("must be a hash such as $argon2id$v=19$m=19456,t=2,p=1$SALT$KEY")
	}
	for i := range rest {
		if rest[i] == '$' {
			d.salt, _ = b64.DecodeString(rest[:i])
			d.key, _ = b64.DecodeString(rest[i+1:])
			break
		}
	}
	switch {
	case d.String() != text:
		return d, errors.New("must be a hash such as $argon2id$v=19$m=19456,t=2,p=1$SALT$KEY, with SALT and KEY in base64 without padding")
	case len(d.salt) < 8 || len(d.salt) > 64 || len(d.key) < 16 || len(d.key) > 64:
		return d, errors.New("must have a salt of 8 to 64 bytes and a key of 16 to 64 bytes")
	case d.memory < minMemory || d.time == 0 || d.memory*d.time < minWork:
		return d, fmt.Errorf("is too weak: use at least m=%d,t=%d", defaultParams.memory, defaultParams.time)
	case d.memory > maxMemory || d.time > maxTime || d.threads == 0 || d.threads > maxLanes:
		return d, fmt.Errorf("costs too much: m is at most %d, t and p at most %d", maxMemory, maxTime)
	}
	return d, nil
}

// newDigest hashes a password with a new salt.
func newDigest(password string) digest {
	d := digest{params: defaultParams, salt: make([]byte, saltSize)}
	rand.Read(d.salt)
	d.key = derive(password, d.salt, d.params, keySize)
	return d
}

// derive hashes a password. It normalizes the password first, because systems encode accented
// characters differently.
func derive(password string, salt []byte, p params, size int) []byte {
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, p.time, p.memory, p.threads, uint32(size))
}

const (
	// maxHashes is how many hashes are computed at once. Each one takes its memory.
	maxHashes = 2
	// maxPassword is the length of a password in bytes.
	maxPassword = 1024
)

// hasher computes hashes for logins, maxHashes at once.
type hasher struct {
	slots  chan struct{}
	derive func(password string, salt []byte, p params, size int) []byte
}

func newHasher() *hasher { return &hasher{make(chan struct{}, maxHashes), derive} }

// do calls f while it holds a slot. It returns the cause if ctx ends first.
func (h *hasher) do(ctx context.Context, f func()) error {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
		f()
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// verify reports whether the password has the digest.
func (h *hasher) verify(ctx context.Context, d digest, password string) (same bool, err error) {
	err = h.do(ctx, func() {
		key := h.derive(password[:min(len(password), maxPassword)], d.salt, d.params, len(d.key))
		same = subtle.ConstantTimeCompare(key, d.key) == 1 && len(password) <= maxPassword
	})
	return same, err
}
