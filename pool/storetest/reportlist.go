package storetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var reportListRules = []rule{
	{"PushedReportsAreApplied", pushedReports},
	{"PushedReportIsAppliedOnceByManyReplicas", pushedReportsOfManyReplicas},
	{"InvalidReportIsRejectedWithoutItsToken", invalidPushedReport},
	{"ReportThatAReplicaHasTakenIsNotLost", takenReport},
	{"LongReportIsRejected", longReport},
}

// admitReports applies all reports of the list.
func (fx *fixture) admitReports() {
	fx.Helper()
	for more := true; more; {
		var err error
		more, err = fx.Store.AdmitReports(fx.ctx)
		fx.noError(err)
	}
}

func pushedReports(fx *fixture) {
	_, succeeds := fx.outside(task.Spec{ID: "succeeds"}, time.Hour)
	_, fails := fx.outside(task.Spec{ID: "fails", Backoff: task.Backoff{Fixed: true, Base: time.Hour}}, time.Hour)
	_, goesOn := fx.outside(task.Spec{ID: "goes-on"}, time.Hour)
	fx.PushReports(fx,
		`{"token":"`+goesOn+`","state":"progress","progress":{"done":0.5}}`,
		`{"token":"`+succeeds+`","state":"succeeded","result":{"frames":250}}`,
		`{"token":"`+fails+`","state":"failed","error":"no space left"}`,
		`{"token":"`+succeeds+`","state":"succeeded","result":{"frames":250}}`) // the same report again
	if u := fx.maintain(); !u.Reports {
		fx.Errorf("maintenance %+v", u)
	}
	fx.admitReports()
	if got := fx.wantEnd("succeeds", task.Succeeded, task.CodeOK); string(got.Result) != `{"frames":250}` {
		fx.Errorf("result %s", got.Result)
	}
	if got := fx.wantEnd("fails", task.Scheduled, task.CodeError); got.Error != "no space left" {
		fx.Errorf("error %q", got.Error)
	}
	if got := fx.wantState("goes-on", task.Running); string(got.Progress) != `{"done":0.5}` {
		fx.Errorf("progress %s", got.Progress)
	}
	if r := fx.Rejects(fx); len(r) != 0 {
		fx.Errorf("rejects %q", r)
	}
	if u := fx.maintain(); u.Reports {
		fx.Errorf("maintenance %+v", u)
	}
}

func pushedReportsOfManyReplicas(fx *fixture) {
	const n = 250 // more than a batch
	specs := make([]task.Spec, n)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("t", i), Retain: ptr(time.Hour)}
	}
	fx.enqueueAll(specs...)
	for _, t := range fx.claim(task.DefaultQueue, n) {
		fx.PushReports(fx, `{"token":"`+fx.token(t)+`","state":"succeeded","result":"`+t.ID+`"}`)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for more := true; more; {
				var err error
				if more, err = fx.Store.AdmitReports(fx.ctx); err != nil {
					fx.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if s := fx.stats(); s.Ended[task.Succeeded] != n || s.Running != 0 || s.Rejected != 0 {
		fx.Errorf("stats %+v", s)
	}
	if got := fx.get("t7"); string(got.Result) != `"t7"` {
		fx.Errorf("result %s", got.Result)
	}
}

func invalidPushedReport(fx *fixture) {
	_, token := fx.outside(task.Spec{ID: "x"}, time.Hour)
	fx.unchanged("x", func() {
		fx.PushReports(fx, token, `{"token":"`+token+`","state":"done"}`, `{"`+token+`":1}`, `{"token":"`+task.NewToken("x")+`","state":"succeeded"}`,
			`{"token":"`+token+`","state":"succeeded"`, `{"state":"succeeded"}`, "\xff", "")
		fx.admitReports()
	})
	for r, err := range fx.Store.Rejected(fx.ctx) {
		fx.noError(err)
		if r.Code != "invalid_report" && r.Code != "unknown_token" || r.Reason == "" || r.Entry != "" || strings.Contains(r.Reason, token) {
			fx.Errorf("reject %+v", r)
		}
	}
	if r := fx.Rejects(fx); len(r) != 8 {
		fx.Errorf("rejects %q", r)
	}
	fx.PushReports(fx, `{"token":"`+token+`","state":"succeeded"}`)
	fx.admitReports()
	fx.wantNoTraceBut("x", "")
}

func takenReport(fx *fixture) {
	_, token := fx.outside(task.Spec{ID: "x", Retain: ptr(time.Hour)}, time.Hour)
	entry := `{"token":"` + token + `","state":"succeeded"}`
	fx.PushReports(fx, entry, entry)
	has, err := fx.Store.AwaitReports(fx.ctx, time.Second)
	fx.noError(err)
	if !has {
		fx.Error("the list has no entry")
	}
	// This replica dies; another one learns of the entry from maintenance.
	if u := fx.maintain(); !u.Reports {
		fx.Errorf("maintenance %+v", u)
	}
	for more := true; more; {
		more, err = fx.Peer.AdmitReports(fx.ctx)
		fx.noError(err)
	}
	fx.wantEnd("x", task.Succeeded, task.CodeOK)
	if has, err := fx.Store.AwaitReports(fx.ctx, time.Second); has || err != nil {
		fx.Errorf("the list has an entry: %v, %v", has, err)
	}
}

func longReport(fx *fixture) {
	_, token := fx.outside(task.Spec{ID: "x"}, time.Hour)
	fx.PushReports(fx, `{"token":"`+token+`","state":"succeeded","result":"`+strings.Repeat("a", 2<<20)+`"}`,
		`{"token":"`+token+`","state":"failed","permanent":true}`)
	fx.admitReports()
	fx.wantEnd("x", task.Failed, task.CodePermanent)
	for r, err := range fx.Store.Rejected(fx.ctx) {
		fx.noError(err)
		if r.Code != "invalid_report" || r.Entry != "" || r.Bytes < 2<<20 {
			fx.Errorf("reject %+v", r)
		}
	}
}
