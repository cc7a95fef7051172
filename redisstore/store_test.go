package redisstore_test

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool/storetest"
)

func TestMain(m *testing.M) { os.Exit(redisserver.Main(m)) }

// backends runs f over miniredis and over a real server. Under the race detector it leaves
// miniredis out, whose Lua scripts take ten times as long there: make emulated, a step of
// make test, runs these without the detector.
func backends(t *testing.T, f func(t *testing.T, rdb *redis.Client)) {
	randomly(t, 0, func(t *testing.T, rdb *redis.Client, _ int) { f(t, rdb) })
}

// randomly is backends for a test of that many random steps. miniredis compiles a script at each
// call, so it runs a fifth of the steps.
func randomly(t *testing.T, steps int, f func(t *testing.T, rdb *redis.Client, steps int)) {
	if !raced {
		t.Run("miniredis", func(t *testing.T) { f(t, miniClient(t), steps/5) })
	}
	t.Run("redis", func(t *testing.T) { f(t, redisserver.Shared(t).Client(t), steps) })
}

func miniClient(t testing.TB) *redis.Client {
	_, rdb := miniServer(t)
	return rdb
}

func miniServer(t testing.TB) (*miniredis.Miniredis, *redis.Client) {
	m := miniredis.RunT(t)
	// With many tasks and the race detector its scripts take seconds.
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), ReadTimeout: time.Minute})
	t.Cleanup(func() { rdb.Close() })
	return m, rdb
}

// quarter returns a choice of a random quarter of the rules, or of all with -full. All rules run on
// one real server in any case.
func quarter(t *testing.T) func(rule string) bool {
	t.Helper()
	seed := *walkSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (repeat with -walk.seed=%d)", seed, seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	return func(string) bool { return *full || rng.IntN(4) == 0 }
}

func TestStore(t *testing.T) {
	if !raced {
		t.Run("miniredis", func(t *testing.T) {
			takes := quarter(t)
			storetest.Run(t, func(t testing.TB) storetest.Harness {
				m, rdb := miniServer(t)
				h := harness(t, rdb)
				h.Emulated, h.Takes = true, takes
				last := time.Duration(0)
				h.SetClock = func(_ testing.TB, d time.Duration) {
					m.SetTime(time.Now().Add(d))
					if d > last {
						m.FastForward(d - last) // SetTime does not expire keys
					}
					last = d
				}
				return h
			})
		})
	}
	t.Run("redis", func(t *testing.T) {
		storetest.Run(t, func(t testing.TB) storetest.Harness { return harness(t, redisserver.Shared(t).Client(t)) })
	})
	t.Run("clock", func(t *testing.T) {
		storetest.RunClock(t, func(t testing.TB) storetest.Harness {
			server := redisserver.Start(t, redisserver.Clock(t))
			h := harness(t, server.Client(t))
			h.SetClock = server.SetClock
			return h
		})
	})
}
