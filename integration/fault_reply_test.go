package integration

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/integration/faultproxy"
	"github.com/ltsworker/ltsworker/integration/redisserver"
)

// Whatever happens to the connection during one call of a script, the driver's
// repetition has the same effect as the call alone, and the caller gets the
// right reply. Each script is called by its hash or, as the first time, in
// full, with one fault, which is a lost reply in half of the cases; make soak
// does both, with all faults.
func TestEveryScriptMayBeRepeatedAfterALostReply(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	rdb := server.Client(t)
	proxy := faultproxy.Start(t, server.Addr())
	through := clientAt(t, proxy.Addr())
	flush := func() {
		if err := rdb.ScriptFlush(context.Background()).Err(); err != nil {
			t.Error(err)
		}
	}
	eachScript(t, func(t *testing.T, script string, c faultCase) {
		rnd := seeded(t)
		for _, known := range sample(rnd, []bool{false, true}, 1) {
			begin := func(t *testing.T) (*victim, func() (string, error)) {
				v := newVictim(t, rdb)
				st := v.open(through)
				if known && script != "rights" { // a store calls rights only once
					everyScript(v, st)
				}
				c.prepare(v)
				return v, func() (string, error) { return c.call(context.Background(), v, st) }
			}
			way := "in full, "
			if known {
				way = "by hash, "
			}
			v, call := begin(t)
			before := proxy.Calls(script)
			answer, err := call()
			if err != nil || proxy.Calls(script) == before {
				t.Fatalf("%swithout a fault: %d calls, %v", way, proxy.Calls(script)-before, err)
			}
			calm := v.read()

			others := []faultproxy.Fault{faultproxy.ResetBefore, faultproxy.ResetAfter, faultproxy.Nothing}
			for _, fault := range sample(rnd, append(sample(rnd, others, 1), faultproxy.ReplyLost), 1) {
				name := way + fault.String()
				if fault == faultproxy.Nothing {
					name = way + "script flush"
				}
				t.Run(name, func(t *testing.T) {
					v, call := begin(t)
					meanwhile := func() {}
					if fault == faultproxy.Nothing {
						meanwhile = flush // in the middle of a pipeline, where the call is in one
					}
					strike := proxy.StrikeMeanwhile(script, 1, fault, meanwhile)
					got, err := call()
					if err != nil {
						t.Fatal(err)
					}
					if !strike.Happened() {
						t.Fatal("the call was not seen")
					}
					want := answer
					// In a pipeline an earlier reply that arrived before the
					// reset is lost, too.
					if c.again != "" && (fault == faultproxy.ReplyLost || fault == faultproxy.ResetAfter && got != answer) {
						want = c.again
					}
					if plain(got) != plain(want) {
						t.Errorf("the answer is %q, want %q", got, want)
					}
					if d := cmp.Diff(calm, v.read()); d != "" {
						t.Errorf("the pool differs from the one without the fault (-without +with):\n%s", d)
					}
				})
			}
		}
	})
}
