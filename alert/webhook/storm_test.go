package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/alert/webhook"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

func TestMain(m *testing.M) { os.Exit(redisserver.Main(m)) }

// A thousand alerts within seconds go to a robot that takes 20 messages a minute. It gets few messages,
// and they count every alert. Redis and the requests are real.
func TestStormOfAThousandAlertsThroughRedis(t *testing.T) {
	t.Parallel()
	store := redisstore.New(redisserver.Start(t).Client(t), "media")
	defer store.Close()
	var mu sync.Mutex
	var texts []time.Time // when the robot got a message
	ding := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if n := len(texts); n >= 20 && time.Since(texts[n-20]) < time.Minute || len(body) > 20_000 {
			io.WriteString(w, `{"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}`)
			t.Errorf("message %d of %d bytes", n+1, len(body))
			return
		}
		texts = append(texts, time.Now())
		io.WriteString(w, `{"errcode":0,"errmsg":"ok"}`)
	}))
	defer ding.Close()
	seen := map[string]int{}   // by queue
	known := map[string]bool{} // by the id of a message
	all := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m alert.Message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if known[m.ID] {
			return // it is sent again if its answer was late
		}
		known[m.ID] = true
		for _, n := range m.Notices {
			seen[n.Labels["queue"]]++
		}
		for _, more := range m.More {
			seen["more"] += more.Count
		}
	}))
	defer all.Close()
	local := []string{"127.0.0.1"}
	robot, err := webhook.NewDingTalk(webhook.Robot{Endpoint: webhook.Endpoint{URL: ding.URL, Networks: local}})
	if err != nil {
		t.Fatal(err)
	}
	hook, err := webhook.New(webhook.Config{Endpoint: webhook.Endpoint{URL: all.URL, Networks: local}})
	if err != nil {
		t.Fatal(err)
	}
	runner, err := alert.New(store, alert.Options{
		Rules:     []alert.Rule{{Name: "no-replica", When: alert.Unserved}},
		Receivers: map[string]alert.Receiver{"ding": {Channel: robot, Lang: alert.Chinese}, "all": {Channel: hook}},
		Interval:  time.Second, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	begin := time.Now()
	go func() { defer close(done); runner.Run(ctx) }()
	const queues, perCall = 1000, 100
	for from := 0; from < queues; from += perCall {
		specs := make([]task.Spec, perCall)
		for i := range specs {
			specs[i] = task.Spec{Kind: "k", Queue: fmt.Sprintf("q%d", from+i)}
		}
		if _, err := store.Enqueue(ctx, specs); err != nil {
			t.Fatal(err)
		}
	}
	account := func() int {
		mu.Lock()
		defer mu.Unlock()
		n := 0
		for _, count := range seen {
			n += count
		}
		return n
	}
	for account() < queues {
		if time.Since(begin) > 5*time.Minute {
			t.Fatalf("%d of %d alerts have arrived", account(), queues)
		}
		time.Sleep(50 * time.Millisecond) // the subject is the pace of the messages in real time
	}
	s, err := alert.ReadState(ctx, store)
	if err != nil || len(s.Firing) != queues {
		t.Errorf("%d alerts fire, %v", len(s.Firing), err)
	}
	stop()
	<-done
	mu.Lock()
	defer mu.Unlock()
	most := 10 + int(time.Since(begin)/robot.Pace().Every) // on a busy machine the test takes longer
	if n := len(seen); n < queues/2 || seen["q0"] > 1 || len(texts) == 0 || len(texts) > most {
		t.Errorf("%d queues are named, q0 %d times, in %d messages to the robot, want at most %d", n, seen["q0"], len(texts), most)
	}
}
