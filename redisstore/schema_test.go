package redisstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// wantSchemaError checks that err has both versions and advice.
func wantSchemaError(t *testing.T, what string, err error, has, do string) {
	t.Helper()
	var e *task.SchemaError
	if !errors.As(err, &e) || !errors.Is(err, task.ErrSchema) {
		t.Errorf("%s: %v, want a SchemaError", what, err)
		return
	}
	if e.Has != has || e.Knows != redisstore.SchemaVersion || !strings.Contains(err.Error(), do) {
		t.Errorf("%s: %v, want it to name %s and %s, and to say %q", what, err, has, redisstore.SchemaVersion, do)
	}
}

// A running replica also gets the error, when it reads the schema again.
func TestForeignSchemaIsRefusedByEveryCallThatChangesThePool(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		for has, do := range map[string]string{"3": "upgrade", "1": "drain", "x": "release that wrote it"} {
			w := newWreck(t, rdb)
			ctx, st := t.Context(), w.store
			held := w.claim(1)[0]
			w.must(rdb.RPush(ctx, w.prefix+"inbox", `{"kind":"k"}`).Err())
			w.do("HSET", "meta", "schema", has)
			st.ForgetSchema()
			before := fmt.Sprint(w.dump(t))
			for what, call := range map[string]func() error{
				"join": func() error {
					_, err := st.Join(ctx, task.Registration{Replica: "s", Lease: time.Minute})
					return err
				},
				"enqueue": func() error { _, err := st.Enqueue(ctx, []task.Spec{{Kind: "k"}}); return err },
				"admit":   func() error { _, err := st.AdmitInbox(ctx, nil); return err },
				"reports": func() error { _, err := st.AdmitReports(ctx); return err },
				"token":   func() error { return st.IssueToken(ctx, "default", task.Attempt{ID: held.ID, Fence: held.Fence}, "h") },
				"deliver": func() error {
					return st.Report(ctx, task.NewToken(held.ID), task.OutsideReport{State: task.ReportSucceeded})
				},
				"claim":  func() error { _, err := st.Exchange(ctx, claimOf(99, "default", 1)); return err },
				"report": func() error { _, err := st.Exchange(ctx, reportsOf(99, reportOn(held, task.Succeed))); return err },
				"renew": func() error {
					_, err := st.Renew(ctx, task.Renewal{Replica: "r", Lease: time.Hour, Held: heldBy(held)})
					return err
				},
				"maintain":  func() error { _, err := st.Maintain(ctx, "r"); return err },
				"stop":      func() error { _, err := st.Stop(ctx, "", "wait"); return err },
				"retry":     func() error { _, err := st.Retry(ctx, task.Edit{}, "fail"); return err },
				"run now":   func() error { _, err := st.RunNow(ctx, "wait"); return err },
				"delete":    func() error { _, err := st.Delete(ctx, "done"); return err },
				"archived":  func() error { _, err := st.Archived(ctx, held); return err },
				"configure": func() error { return st.Configure(ctx, task.Setting{Scope: task.PoolScope, Pause: new(true)}) },
				"forget":    func() error { return st.ForgetQueue(ctx, "none") },
				"put back":  func() error { return st.PutBack(ctx, "1-0", nil) },
				"drop":      func() error { _, err := st.DropRejected(ctx, "1-0"); return err },
				"drain":     func() error { _, err := st.Drain(ctx, "r"); return err },
				"check":     func() error { return st.Check(ctx) },
			} {
				wantSchemaError(t, what, call(), has, do)
			}
			if after := fmt.Sprint(w.dump(t)); after != before {
				t.Error("the pool was changed")
			}
		}
	})
}

func TestFirstTaskOfAPoolMarksItsSchema(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		if _, err := s.store.Enqueue(t.Context(), []task.Spec{{Kind: "k"}}); err != nil {
			t.Fatal(err)
		}
		if v := rdb.HGet(t.Context(), s.prefix+"meta", "schema").Val(); v != redisstore.SchemaVersion {
			t.Errorf("schema %q", v)
		}
	})
}
