package metrics_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/observe/metrics"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// The state can be read by each user of the documentation that may read the pool.
func TestUsersWhoReadThePoolCanExportIt(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	server := redisserver.Start(t)
	p, err := pool.New(redisstore.New(server.Client(t), "default"), pool.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.EnqueueSpec(t.Context(), pool.Spec{Kind: "k", Queue: "q"}); err != nil {
		t.Fatal(err)
	}
	if err := p.Triggers().Set(t.Context(), pool.Trigger{Name: "t", Cron: "0 3 * * *", Task: pool.Spec{Kind: "k"}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"worker", "operator", "viewer"} {
		rules := regexp.MustCompile(`(?m)^    ACL SETUSER ` + name + ` on >secret (.*)$`).FindSubmatch(page)
		if rules == nil {
			t.Fatalf("the page has no user %s", name)
		}
		u := server.User(t, name, strings.Fields(string(rules[1]))...)
		p, err := pool.New(redisstore.New(u.Client(t), "default"), pool.Config{})
		if err != nil {
			t.Fatal(err)
		}
		got := scrape(t, metrics.NewCollector(p, fresh).Handler())
		if got["ltsworker_pool_up"] != 1 || got[`ltsworker_queue_waiting_tasks{queue="q"}`] != 1 {
			t.Errorf("%s: %v", name, got)
		}
	}
}
