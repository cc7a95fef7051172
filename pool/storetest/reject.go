package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var rejectRules = []rule{
	{"RejectedEntriesAreReadNewestFirst", rejectedNewestFirst},
	{"RejectedEntryIsReadByItsID", rejectedByID},
	{"PutBackEntryIsAdmittedLikeANewOne", putBackIsAdmitted},
	{"PutBackOfAnotherTextReplacesTheEntry", putBackReplaces},
	{"PutBackOfAnInvalidTextChangesNothing", putBackOfInvalidText},
	{"PutBackOfACutEntryNeedsTheWholeText", putBackOfCutEntry},
	{"PutBackByManyCallersHappensOnce", putBackOnce},
	{"DropRemovesRejectedEntries", dropRemoves},
	{"InvalidIDOfARejectedEntryIsRefused", invalidRejectID},
}

// reject pushes entries that cannot become tasks, and returns the rejected entries, newest
// first.
func (fx *fixture) reject(entries ...string) []task.Reject {
	fx.Helper()
	fx.Push(fx, entries...)
	fx.admit()
	return fx.rejected()
}

// rejected reads all rejected entries.
func (fx *fixture) rejected() []task.Reject {
	fx.Helper()
	var all []task.Reject
	for r, err := range fx.Store.Rejected(fx.ctx) {
		fx.noError(err)
		all = append(all, r)
	}
	if n := fx.stats().Rejected; n != len(all) {
		fx.Errorf("%d rejected entries, Stats says %d", len(all), n)
	}
	return all
}

func rejectedNewestFirst(fx *fixture) {
	if got := fx.rejected(); len(got) != 0 {
		fx.Fatalf("rejected entries %v", got)
	}
	fx.enqueue(task.Spec{ID: "taken"})
	before := fx.Now(fx)
	var entries []string
	for i := range 60 { // several pages
		entries = append(entries, fmt.Sprintf(`{"kind":"k","prio":%d}`, i))
	}
	got := fx.reject(append(entries, `{"kind":"k","id":"taken"}`)...)
	after := fx.Now(fx)
	if len(got) != 61 {
		fx.Fatalf("%d rejected entries", len(got))
	}
	if r := got[0]; r.Code != "duplicate" || r.Task != "taken" || r.Entry != `{"kind":"k","id":"taken"}` || r.Bytes != len(r.Entry) || r.Cut() {
		fx.Errorf("the duplicate: %+v", r)
	}
	slices.Reverse(got)
	for i, want := range entries {
		if r := got[i]; r.Entry != want || r.Code != "invalid" || !strings.Contains(r.Reason, "prio") || r.Task != "" {
			fx.Errorf("entry %d: %+v", i, r)
		}
		if at := got[i].At; at.Before(before.Truncate(time.Millisecond)) || at.After(after) {
			fx.Errorf("rejected at %v, not between %v and %v", at, before, after)
		}
	}
	for range fx.Store.Rejected(fx.ctx) {
		break // an iteration may end early
	}
}

func rejectedByID(fx *fixture) {
	all := fx.reject("a", "b", "c")
	got, err := fx.Store.GetRejected(fx.ctx, all[2].ID, "1-0", all[0].ID)
	fx.noError(err)
	if len(got) != 3 || got[1] != nil || got[0] == nil || *got[0] != all[2] || got[2] == nil || *got[2] != all[0] {
		fx.Errorf("got %+v of %+v", got, all)
	}
}

func putBackIsAdmitted(fx *fixture) {
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: ptr(1)})
	full := fx.reject(`{"kind":"k","queue":"q","id":"a"}`, `{"kind":"k","queue":"q","id":"b","payload":[1]}`)
	fx.wantOrder(fx.drain("q"), "a")
	fx.noError(fx.Store.PutBack(fx.ctx, full[0].ID, nil))
	if s := fx.stats(); s.Rejected != 0 || s.Inbox != 1 {
		fx.Errorf("%d rejected entries, %d in the inbox", s.Rejected, s.Inbox)
	}
	fx.admit()
	if t := fx.wantState("b", task.Waiting); string(t.Payload) != "[1]" || t.Queue != "q" {
		fx.Errorf("task %+v", t)
	}
	// An entry that is still invalid is rejected again, as a new one.
	first := fx.reject("nonsense")[0]
	fx.noError(fx.Store.PutBack(fx.ctx, first.ID, nil))
	fx.admit()
	if again := fx.rejected(); len(again) != 1 || again[0].ID == first.ID || again[0].Entry != "nonsense" {
		fx.Errorf("rejected entries %+v", again)
	}
	if err := fx.Store.PutBack(fx.ctx, first.ID, nil); !errors.Is(err, task.ErrNoReject) {
		fx.Errorf("an entry that is gone: %v", err)
	}
}

func putBackReplaces(fx *fixture) {
	r := fx.reject(`{"kind":"k","id":"x","prio":5}`)[0]
	fx.noError(fx.Store.PutBack(fx.ctx, r.ID, []byte(`{"kind":"k","id":"x","priority":5}`)))
	fx.admit()
	if t := fx.wantState("x", task.Waiting); t.Priority != 5 {
		fx.Errorf("task %+v", t)
	}
	if left := fx.rejected(); len(left) != 0 {
		fx.Errorf("rejected entries %+v", left)
	}
}

func putBackOfInvalidText(fx *fixture) {
	r := fx.reject("nonsense")[0]
	for _, text := range []string{"", "nonsense", `{"kind":"k","prio":5}`, `{"kind":"k","payload":"` + "\xff" + `"}`,
		`{"kind":"k","payload":"` + strings.Repeat("x", 3<<20) + `"}`} {
		var field *task.FieldError
		if err := fx.Store.PutBack(fx.ctx, r.ID, []byte(text)); !errors.As(err, &field) {
			fx.Errorf("%.40q: %v", text, err)
		}
	}
	if s := fx.stats(); s.Inbox != 0 {
		fx.Errorf("%d entries in the inbox", s.Inbox)
	}
	if left := fx.rejected(); len(left) != 1 || left[0] != r {
		fx.Errorf("rejected entries %+v", left)
	}
}

func putBackOfCutEntry(fx *fixture) {
	entry := func(pad int) string {
		return `{"kind":"k","id":"x","prio":1,"payload":"` + strings.Repeat("p", pad) + `"}`
	}
	whole := 16384 - len(entry(0))
	got := fx.reject(entry(whole), entry(whole+1), entry(3<<20)) // the last one is over the limit of an entry
	for i, want := range []int{len(entry(3 << 20)), 16385, 16384} {
		if r := got[i]; r.Bytes != want || len(r.Entry) != 16384 || r.Cut() != (want > 16384) {
			fx.Errorf("%d bytes, %d kept, cut: %v, want %d", r.Bytes, len(r.Entry), r.Cut(), want)
		}
	}
	for _, r := range got[:2] {
		if err := fx.Store.PutBack(fx.ctx, r.ID, nil); !errors.Is(err, task.ErrRejectCut) {
			fx.Errorf("a cut entry: %v", err)
		}
	}
	if s := fx.stats(); s.Inbox != 0 || s.Rejected != 3 {
		fx.Errorf("%d entries in the inbox, %d rejected", s.Inbox, s.Rejected)
	}
	fx.noError(fx.Store.PutBack(fx.ctx, got[2].ID, nil)) // exactly as long as what is kept
	fx.noError(fx.Store.PutBack(fx.ctx, got[1].ID, []byte(`{"kind":"k","id":"x"}`)))
	fx.admit()
	fx.wantState("x", task.Waiting)
	if left := fx.rejected(); len(left) != 2 { // the large one, and the one that is still invalid
		fx.Errorf("%d rejected entries", len(left))
	}
}

func putBackOnce(fx *fixture) {
	r := fx.reject("nonsense")[0]
	const callers = 8
	errs := make([]error, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			store := fx.Store
			if i%2 == 1 {
				store = fx.Peer
			}
			errs[i] = store.PutBack(fx.ctx, r.ID, []byte(`{"kind":"k"}`))
		})
	}
	all.Wait()
	done := 0
	for _, err := range errs {
		switch {
		case err == nil:
			done++
		case !errors.Is(err, task.ErrNoReject):
			fx.Error(err)
		}
	}
	if s := fx.stats(); done != 1 || s.Inbox != 1 || s.Rejected != 0 {
		fx.Errorf("%d callers put it back; %d entries in the inbox, %d rejected", done, s.Inbox, s.Rejected)
	}
}

func dropRemoves(fx *fixture) {
	all := fx.reject("a", "b", "c")
	for _, want := range [][]bool{{true, false, true}, {false, false, false}} {
		got, err := fx.Store.DropRejected(fx.ctx, all[0].ID, "1-0", all[2].ID)
		fx.noError(err)
		if !slices.Equal(got, want) {
			fx.Errorf("dropped %v, want %v", got, want)
		}
	}
	if left := fx.rejected(); len(left) != 1 || left[0] != all[1] {
		fx.Errorf("rejected entries %+v", left)
	}
	var many []string
	for i := range 450 { // several pages
		many = append(many, fmt.Sprint("x", i))
	}
	ids := []string{}
	for _, r := range fx.reject(many...) {
		ids = append(ids, r.ID)
	}
	got, err := fx.Store.DropRejected(fx.ctx, ids...)
	fx.noError(err)
	if len(got) != 451 || slices.Contains(got, false) || len(fx.rejected()) != 0 {
		fx.Errorf("dropped %d of %d", len(got), len(ids))
	}
	if s := fx.stats(); s.Inbox != 0 {
		fx.Errorf("%d entries in the inbox", s.Inbox)
	}
}

func invalidRejectID(fx *fixture) {
	all := fx.reject("a", "b")
	for _, id := range []string{"", "-", "+", "(1-0", "1", "x-y", "1-", "-1", "1-0-0", "99999999999999999999-0", strings.Split(all[0].ID, "-")[0]} {
		_, get := fx.Store.GetRejected(fx.ctx, all[0].ID, id)
		_, drop := fx.Store.DropRejected(fx.ctx, all[0].ID, id)
		for what, err := range map[string]error{"get": get, "drop": drop, "put back": fx.Store.PutBack(fx.ctx, id, nil)} {
			var field *task.FieldError
			if !errors.As(err, &field) {
				fx.Errorf("%s %q: %v", what, id, err)
			}
		}
	}
	if left := fx.rejected(); len(left) != 2 {
		fx.Errorf("rejected entries %+v", left)
	}
}
