package integration

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// The chaos tests break things at random, for some seconds each. make soak sets
// -soak.
var (
	seedFlag = flag.Uint64("seed", 0, "repeat the random choices of a test that printed this seed")
	soakFlag = flag.Duration("soak", 0, "how long the soak runs; the other chaos tests grow with it, and every test has its full volume (default: a short run)")
)

// seeded returns the random numbers of a test and prints the seed that repeats
// them.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (repeat with -seed=%d)", seed, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// volume returns a number, an amount or a duration of a test: short, or full
// with -soak.
func volume[T any](short, full T) T {
	if *soakFlag > 0 {
		return full
	}
	return short
}

// sample returns n random elements of all, in their order, or all of them with
// -soak.
func sample[T any](rnd *rand.Rand, all []T, n int) []T {
	if *soakFlag > 0 || n >= len(all) {
		return all
	}
	chosen := rnd.Perm(len(all))[:n]
	slices.Sort(chosen)
	some := make([]T, n)
	for i, at := range chosen {
		some[i] = all[at]
	}
	return some
}

// lasting returns how long a chaos test runs: short, or with -soak a tenth of
// it, but at least full.
func lasting(short, full time.Duration) time.Duration {
	return volume(short, max(full, *soakFlag/10))
}
