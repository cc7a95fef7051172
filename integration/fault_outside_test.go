package integration

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// tokenOf returns a token of a task. It is the same in every pool, so that pools can be
// compared.
func tokenOf(id string) string {
	return base64.RawURLEncoding.EncodeToString(append(make([]byte, 16), id...))
}

// issue stores the token of a running attempt.
func (v *victim) issue(ctx context.Context, st *redisstore.Store, id string) error {
	v.t.Helper()
	_, hash, err := task.ParseToken(tokenOf(id))
	v.must(err)
	held := v.held[id]
	return st.IssueToken(ctx, held.Queue, task.Attempt{ID: id, Fence: held.Fence}, hash)
}

// withTokens runs three tasks that have tokens. One of them is outside.
func withTokens(v *victim) {
	v.base()
	v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g"}, task.Spec{Kind: "k", ID: "b"}, task.Spec{Kind: "k", ID: "c"})
	v.claim(1, 3, time.Minute)
	for _, id := range []string{"a", "b", "c"} {
		v.must(v.issue(context.Background(), v.st, id))
	}
	v.end(task.Report{ID: "a", Op: task.Detached, Code: task.CodeDetached, Delay: time.Hour})
}

// The cases of reports from outside.
func init() {
	faultCases["token"] = faultCase{
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g"})
			v.claim(1, 1, time.Minute)
		},
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			return done(v.issue(ctx, st, "a"))
		},
	}
	faultCases["deliver"] = faultCase{
		prepare: withTokens,
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			return done(st.Report(ctx, tokenOf("a"), task.OutsideReport{State: task.ReportSucceeded, Result: []byte("1")}))
		},
	}
	faultCases["reports"] = faultCase{
		prepare: func(v *victim) {
			withTokens(v)
			for i, text := range []string{
				`{"token":"` + tokenOf("a") + `","state":"succeeded","result":1}`, `{"token":"` + tokenOf("a") + `","state":"succeeded","result":1}`,
				`{"token":"` + tokenOf("b") + `","state":"failed","error":"no","permanent":true}`, `{"token":"` + tokenOf("c") + `","state":"progress","progress":7}`,
				`{"token":"` + tokenOf("d") + `","state":"succeeded"}`, `nonsense`,
			} {
				list := "reports"
				if i == 0 {
					list = "reports:open"
				}
				v.must(v.rdb.RPush(context.Background(), v.key(list), text).Err())
			}
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			more, err := st.AdmitReports(ctx)
			return fmt.Sprint("more=", more), err
		},
		again: "more=true", // the list has changed since it was read
	}
}
