package pool_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// ready reports whether a supervisor may count on the replica. A short outage of Redis
// only delays tasks.
func ready(h pool.Health) bool {
	return h.Joined && !h.Draining && h.Failing < 5*time.Second
}

// probes answers HTTP probes. /live does not depend on Redis, because a restart would not
// help against an outage. Health makes no call to Redis, so probes may be frequent.
func probes(p *pool.Pool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "alive") })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		h := p.Health()
		if !ready(h) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintf(w, "%d of %d slots in use, %d stuck", h.Running, h.Slots, h.Stuck)
	})
	return mux
}

// A service that embeds a replica answers the HTTP probes of its supervisor from
// Pool.Health.
func Example_health() {
	m, err := miniredis.Run() // in a service: your Redis
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), ContextTimeoutEnabled: true})
	defer rdb.Close()
	store := redisstore.New(rdb, "shop")
	defer store.Close()
	p, err := pool.New(store, pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 2}}})
	if err != nil {
		log.Fatal(err)
	}
	pool.Handle(p, func(context.Context, *pool.Task[Order]) error { return nil })

	handler := probes(p) // in a service: http.ListenAndServe("127.0.0.1:8080", handler)
	show := func(when, path string) {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
		fmt.Println(when, path, answer.Code, answer.Body)
	}
	show("before the start", "/live")
	show("before the start", "/ready")
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	<-p.Joined()
	show("running", "/ready")
	stop()
	<-p.Draining()
	show("draining", "/ready")
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// before the start /live 200 alive
	// before the start /ready 503 0 of 2 slots in use, 0 stuck
	// running /ready 200 0 of 2 slots in use, 0 stuck
	// draining /ready 503 0 of 2 slots in use, 0 stuck
}
