package redisstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// A call that changes several tasks changes those whose extras can be written, with their events,
// and then returns an error because of the others.
func TestDamagedTaskStaysAsItIsAndKeepsNoOtherFromChanging(t *testing.T) {
	ids := []string{"a", "b", "damaged", "c", "d"}
	stop := func(ctx context.Context, s *redisstore.Store) error { _, err := s.Stop(ctx, "why", ids...); return err }
	cases := map[string]struct {
		spec   task.Spec
		before func(ctx context.Context, s *redisstore.Store) error
		change func(ctx context.Context, s *redisstore.Store) error
		want   task.State
		silent bool // the change is no event
	}{
		"stop":    {spec: task.Spec{Delay: time.Hour}, change: stop, want: task.Stopped},
		"run now": {spec: task.Spec{Delay: time.Hour}, change: func(ctx context.Context, s *redisstore.Store) error { _, err := s.RunNow(ctx, ids...); return err }, want: task.Waiting},
		"change": {spec: task.Spec{Delay: time.Hour}, change: func(ctx context.Context, s *redisstore.Store) error {
			_, err := s.Change(ctx, task.Edit{Priority: new(int8(1))}, ids...)
			return err
		}, want: task.Scheduled, silent: true},
		"retry": {before: stop, change: func(ctx context.Context, s *redisstore.Store) error {
			_, err := s.Retry(ctx, task.Edit{}, ids...)
			return err
		}, want: task.Waiting},
	}
	backends(t, func(t *testing.T, rdb *redis.Client) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				s, ctx := newSite(t, rdb), t.Context()
				for _, id := range ids {
					spec := c.spec
					spec.ID, spec.Kind = id, "k"
					if _, err := s.store.Enqueue(ctx, []task.Spec{spec}); err != nil {
						t.Fatal(err)
					}
				}
				if c.before != nil {
					if err := c.before(ctx, s.store); err != nil {
						t.Fatal(err)
					}
				}
				rdb.Del(ctx, s.prefix+"more:damaged")
				rdb.Set(ctx, s.prefix+"more:damaged", "x", 0)
				events := rdb.XLen(ctx, s.prefix+"events").Val()
				if err := c.change(ctx, s.store); err == nil || !strings.Contains(err.Error(), "more:damaged") {
					t.Errorf("error %v, want one that names the key", err)
				}
				got, err := s.store.Get(ctx, "a", "b", "c", "d")
				if err != nil {
					t.Fatal(err)
				}
				for _, tk := range got {
					if tk == nil || tk.State != c.want {
						t.Errorf("%+v, want the state %s", tk, c.want)
					}
				}
				if n := rdb.XLen(ctx, s.prefix+"events").Val(); (n == events) != c.silent {
					t.Errorf("%d events became %d", events, n)
				}
				var findings []string
				for f, err := range s.store.Inspect(ctx, task.Inspection{}) {
					if err != nil {
						t.Fatal(err)
					}
					if f.Open() && f.Key != "" && !strings.HasSuffix(f.Key, "more:damaged") {
						findings = append(findings, fmt.Sprintf("%s %s", f.Key, f.What))
					}
				}
				if len(findings) > 0 {
					t.Errorf("the doctor found %q", findings)
				}
			})
		}
	})
}

// Headers that another program has damaged do not keep an attempt with meta from ending.
func TestMetaIsDeliveredWithoutDamagedHeaders(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		for _, headers := range []string{`{"a"`, `[1,2]`, `3`, `null`, `{"a":{}}`} {
			s, ctx := newSite(t, rdb), t.Context()
			s.join(t, "r")
			if _, err := s.store.Enqueue(ctx, []task.Spec{{ID: "x", Kind: "k", Headers: map[string]string{"h": "v"}}}); err != nil {
				t.Fatal(err)
			}
			record := rdb.Get(ctx, s.prefix+"task:x").Val()
			rdb.Set(ctx, s.prefix+"task:x", strings.Replace(record, `{"h":"v"}`, headers, 1), 0)
			got, err := s.store.Exchange(ctx, claimOf(1, "default", 1))
			if err != nil {
				t.Fatal(err)
			}
			r := reportOn(tasksOf(got)[0], task.Fail)
			r.Code, r.Meta = task.CodePermanent, task.Meta{"pages": "3"}
			x := claimOf(2, "default", 1)
			x.Reports = []task.Report{r}
			if got, err = s.store.Exchange(ctx, x); err != nil || got.Verdicts[0] != task.Accepted {
				t.Fatalf("headers %s: %v, %v", headers, got.Verdicts, err)
			}
			es, err := s.store.RecentEvents(ctx, "", 1)
			if err != nil || len(es) != 1 || es[0].State != task.Failed || es[0].Meta["pages"] != "3" || len(es[0].Meta) > 1 {
				t.Errorf("headers %s: the last event is %+v, %v", headers, es, err)
			}
		}
	})
}
