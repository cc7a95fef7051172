package integration

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// A replica with very many queues starts a task in any of them at once. While
// it is idle, its calls and bytes do not grow with the number of its queues.
func TestReplicaServesThousandsOfQueues(t *testing.T) {
	t.Parallel()
	for _, of := range []struct {
		queues int
		lease  time.Duration // 0 is the default
	}{{1500, time.Second}, {volume(3000, 10_000), 0}} {
		t.Run(strconv.Itoa(of.queues), func(t *testing.T) {
			t.Parallel()
			s := siteOn(t, redisserver.Start(t))
			cfg := pool.Config{Queues: map[string]pool.Queue{}, Lease: of.lease}
			for i := range of.queues {
				cfg.Queues[fmt.Sprint("q", i)] = pool.Queue{Workers: 1}
			}
			started := make(chan string, 1)
			s.replicas(1, cfg, "k", func(_ context.Context, tk *task.Task) ([]byte, error) {
				started <- tk.Queue
				return nil, nil
			})
			c := s.client()
			for _, i := range []int{0, of.queues / 2, of.queues - 1, of.queues / 3} {
				queue, begin := fmt.Sprint("q", i), time.Now()
				enqueue(t, c, pool.Spec{Kind: "k", Queue: queue})
				if got := receive(t, started, prompt, "the start in "+queue); got != queue {
					t.Errorf("a task of %s started, want one of %s", got, queue)
				}
				t.Logf("%s: started after %v", queue, time.Since(begin))
			}
			idle(t, c)
			var calls, bytes int
			for {
				began := time.Now() // before the calls are counted
				callsThen, bytesThen, textsThen := s.traffic()
				wait(volume(2*time.Second, 5*time.Second))
				callsNow, bytesNow, textsNow := s.traffic()
				seconds := time.Since(began).Seconds()
				calls, bytes = int(float64(callsNow-callsThen)/seconds), int(float64(bytesNow-bytesThen)/seconds)
				if textsNow == textsThen {
					break // otherwise it has sent a script in full once, which the server did not know
				}
			}
			t.Logf("idle: %d script calls and %d bytes a second", calls, bytes)
			if calls > 20 || bytes > 20_000 {
				t.Errorf("idle with %d queues: %d script calls and %d bytes a second", of.queues, calls, bytes)
			}
		})
	}
}

// traffic returns how many calls of a script by its hash the server has run,
// how many bytes it has received, and how many calls with the text of a script
// it has run.
func (s *site) traffic() (calls, bytes, texts int) {
	s.t.Helper()
	info, err := s.rdb.InfoMap(context.Background(), "stats", "commandstats").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := fmt.Sscanf(info["Commandstats"]["cmdstat_evalsha"], "calls=%d,", &calls); err != nil {
		s.t.Fatal(err)
	}
	if bytes, err = strconv.Atoi(info["Stats"]["total_net_input_bytes"]); err != nil {
		s.t.Fatal(err)
	}
	if eval := info["Commandstats"]["cmdstat_eval"]; eval != "" {
		if _, err := fmt.Sscanf(eval, "calls=%d,", &texts); err != nil {
			s.t.Fatal(err)
		}
	}
	return calls, bytes, texts
}
