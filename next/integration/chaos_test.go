package integration

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"
)

// The tests that break things on purpose do so at random, for some seconds each.
var (
	seedFlag = flag.Uint64("seed", 0, "repeat the random choices of a test that printed this seed")
	soakFlag = flag.Duration("soak", 0, "how long the soak runs; the other chaos tests and the sizes of the scale test grow with it (default: a short run)")
)

// seeded returns the random numbers of a test and prints what repeats them.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (repeat with -seed=%d)", seed, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// lasting is how long a chaos test goes on: short, or with -soak a tenth of that
// where it is longer.
func lasting(short time.Duration) time.Duration { return max(short, *soakFlag/10) }
