package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// fakeStore is a Store and a Board in memory, whose clock is that of the test.
type fakeStore struct {
	mu           sync.Mutex
	err          error // of all calls
	stats        task.Stats
	running      []*task.Task
	oldest       map[string]time.Time
	replicas     []task.ReplicaInfo
	failReplicas error // of Replicas
	groups       []task.GroupInfo
	late         []task.StoredTrigger
	triggers     []task.StoredTrigger
	history      map[string][]task.TriggerRecord
	lags         map[string]task.Lag
	archives     []task.ArchiveInfo
	findings     []task.Finding
	inspections  int // calls of Inspect
	events       []task.Event
	page         int    // the most events that ReadEvents returns; 0 for the limit of the call
	reads        int    // calls of ReadEvents
	read         func() // called by each ReadEvents; nil for none

	owner    string
	until    time.Time
	fields   map[string]string
	silences map[string]string
	rules    map[string]string
	notices  map[string][]string
	overflow map[string]map[string]int64
	sending  map[string]string
	log      []task.AlertLogEntry
	writes   int
}

func newFakeStore() *fakeStore {
	return &fakeStore{oldest: map[string]time.Time{}, history: map[string][]task.TriggerRecord{}, fields: map[string]string{}, silences: map[string]string{}, rules: map[string]string{},
		notices: map[string][]string{}, overflow: map[string]map[string]int64{}, sending: map[string]string{}}
}

// do locks the store for a call.
func (f *fakeStore) do(call func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		call()
	}
	return f.err
}

func (f *fakeStore) Pool() string { return "media" }
func (f *fakeStore) Running(_ context.Context, n int) (s task.Stats, r []*task.Task, at time.Time, err error) {
	err = f.do(func() {
		s, r, at = f.stats, f.running[:min(n, len(f.running))], time.Now()
		s.Queues = slices.Clone(s.Queues)
	})
	return s, r, at, err
}
func (f *fakeStore) WaitingSince(context.Context, ...string) (o map[string]time.Time, at time.Time, err error) {
	err = f.do(func() { o, at = maps.Clone(f.oldest), time.Now() })
	return o, at, err
}
func (f *fakeStore) Replicas(context.Context) (r []task.ReplicaInfo, err error) {
	var failed error
	err = f.do(func() { r, failed = slices.Clone(f.replicas), f.failReplicas })
	return r, cmp.Or(err, failed)
}
func (f *fakeStore) Groups(_ context.Context, names ...string) (int, []task.GroupInfo, error) {
	var groups []task.GroupInfo
	err := f.do(func() {
		if len(names) == 0 {
			groups = slices.Clone(f.groups)
		}
	})
	return 0, groups, err
}
func (f *fakeStore) LateTriggers(context.Context) (late []task.StoredTrigger, now time.Time, err error) {
	err = f.do(func() { late = slices.Clone(f.late) })
	return late, time.Now(), err
}
func (f *fakeStore) TriggerNames(context.Context) (names []string, err error) {
	err = f.do(func() {
		for _, t := range f.triggers {
			names = append(names, t.Name)
		}
	})
	return names, err
}
func (f *fakeStore) Triggers(context.Context, ...string) (all []task.StoredTrigger, now time.Time, err error) {
	err = f.do(func() { all = slices.Clone(f.triggers) })
	return all, time.Now(), err
}
func (f *fakeStore) TriggerHistory(_ context.Context, name string) (all []task.TriggerRecord, err error) {
	err = f.do(func() { all = slices.Clone(f.history[name]) })
	return all, err
}
func (f *fakeStore) SubscriptionLags(context.Context) (lags map[string]task.Lag, kept int, err error) {
	err = f.do(func() { lags = maps.Clone(f.lags) })
	return lags, 1000, err
}
func (f *fakeStore) Archives(context.Context) (all []task.ArchiveInfo, err error) {
	err = f.do(func() { all = slices.Clone(f.archives) })
	return all, err
}
func (f *fakeStore) Inspect(context.Context, task.Inspection) iter.Seq2[task.Finding, error] {
	var findings []task.Finding
	err := f.do(func() { f.inspections++; findings = slices.Clone(f.findings) })
	return func(yield func(task.Finding, error) bool) {
		if err != nil {
			yield(task.Finding{}, err)
			return
		}
		for _, x := range findings {
			if !yield(x, nil) {
				return
			}
		}
	}
}

// inspected returns the number of inspections since its last call.
func (f *fakeStore) inspected() (n int) {
	f.change(func() { n, f.inspections = f.inspections, 0 })
	return n
}
func (f *fakeStore) LastEvent(context.Context) (cursor string, err error) {
	cursor = "0"
	err = f.do(func() {
		if len(f.events) > 0 {
			cursor = f.events[len(f.events)-1].Cursor
		}
	})
	return cursor, err
}

// ReadEvents reads the events after a position, "MS-SEQ" as a stream has it.
func (f *fakeStore) ReadEvents(_ context.Context, after string, limit int, _ time.Duration) (events []task.Event, err error) {
	if f.read != nil {
		f.read()
	}
	n := 0
	if ms, seq, found := strings.Cut(after, "-"); found {
		start, _ := strconv.ParseInt(ms, 10, 64)
		last, _ := strconv.Atoi(seq)
		f.change(func() {
			n, _ = slices.BinarySearchFunc(f.events, 0, func(e task.Event, _ int) int {
				var at int64
				var i int
				fmt.Sscanf(e.Cursor, "%d-%d", &at, &i)
				if at < start || at == start && i <= last {
					return -1
				}
				return 1
			})
		})
	}
	if f.page > 0 {
		limit = min(limit, f.page)
	}
	err = f.do(func() { f.reads++; events = slices.Clone(f.events[n:min(n+limit, len(f.events))]) })
	return events, err
}

// event adds an event of now.
func (f *fakeStore) event(e task.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.add(e)
}

// add is event for a caller that has the lock.
func (f *fakeStore) add(e task.Event) {
	e.At, e.Cursor = time.Now(), fmt.Sprintf("%d-%d", time.Now().UnixMilli(), len(f.events)+1)
	f.events = append(f.events, e)
}

func (f *fakeStore) HoldAlerts(_ context.Context, owner string, lease time.Duration) (held bool, err error) {
	err = f.do(func() {
		if held = f.owner == "" || f.owner == owner || !time.Now().Before(f.until); held {
			f.owner, f.until = owner, time.Now().Add(lease)
		}
	})
	return held, err
}
func (f *fakeStore) ExtendAlerts(_ context.Context, owner string, lease time.Duration) (held bool, err error) {
	err = f.do(func() {
		if held = f.owner == owner && time.Now().Before(f.until); held {
			f.until = time.Now().Add(lease)
		}
	})
	return held, err
}
func (f *fakeStore) ReleaseAlerts(_ context.Context, owner string) error {
	return f.do(func() {
		if f.owner == owner {
			f.owner = ""
		}
	})
}
func (f *fakeStore) ReadAlerts(context.Context) (r task.AlertRecords, err error) {
	err = f.do(func() {
		r = task.AlertRecords{Fields: maps.Clone(f.fields), Silences: maps.Clone(f.silences), Rules: maps.Clone(f.rules), Owner: f.owner, Now: time.Now()}
	})
	return r, err
}
func (f *fakeStore) WriteAlerts(ctx context.Context, owner string, w task.AlertWrite) (held bool, err error) {
	if err := ctx.Err(); err != nil { // as a client of Redis
		return false, err
	}
	err = f.do(func() {
		if held = f.owner == owner && time.Now().Before(f.until); held {
			f.write(w)
		}
	})
	return held, err
}

func (f *fakeStore) write(w task.AlertWrite) {
	f.writes++
	for _, field := range w.Remove {
		delete(f.fields, field)
	}
	maps.Copy(f.fields, w.Set)
	for _, id := range w.Unsilent {
		delete(f.silences, id)
	}
	for to, n := range w.Taken {
		f.notices[to] = f.notices[to][n:]
	}
	for to, counts := range w.Counted {
		for field, n := range counts {
			if f.overflow[to][field] -= n; f.overflow[to][field] == 0 {
				delete(f.overflow[to], field)
			}
		}
	}
	for _, n := range w.Notices {
		if n.Only == 0 && len(f.notices[n.Receiver]) < task.MaxAlertNotices {
			f.notices[n.Receiver] = append(f.notices[n.Receiver], n.Text)
			continue
		}
		if f.overflow[n.Receiver] == nil {
			f.overflow[n.Receiver] = map[string]int64{}
		}
		f.overflow[n.Receiver][n.Count] += int64(max(n.Only, 1))
	}
	for to, text := range w.Sending {
		if f.sending[to] = text; text == "" {
			delete(f.sending, to)
		}
	}
	f.log = append(f.log, w.Log...)
}
func (f *fakeStore) AlertQueue(_ context.Context, to string) (q task.AlertQueue, err error) {
	err = f.do(func() {
		q = task.AlertQueue{Notices: slices.Clone(f.notices[to]), Overflow: maps.Clone(f.overflow[to]), Sending: f.sending[to]}
	})
	return q, err
}
func (f *fakeStore) SetAlertRule(_ context.Context, name string, change task.AlertRuleChange) error {
	return f.changeRule(change, func(text string) { f.rules[name] = text })
}
func (f *fakeStore) RemoveAlertRule(_ context.Context, name string, change task.AlertRuleChange) error {
	return f.changeRule(change, func(string) { delete(f.rules, name) })
}
func (f *fakeStore) changeRule(change task.AlertRuleChange, write func(text string)) (err error) {
	failed := f.do(func() {
		var text string
		var entry task.AlertLogEntry
		if text, entry, err = change(maps.Clone(f.rules), time.Now()); err == nil {
			write(text)
			f.log = append(f.log, entry)
		}
	})
	return errors.Join(failed, err)
}
func (f *fakeStore) SetSilence(_ context.Context, id, text string) error {
	return f.do(func() { f.silences[id] = text })
}
func (f *fakeStore) PushNotice(_ context.Context, to, text string) (bool, error) {
	return true, f.do(func() { f.notices[to] = append(f.notices[to], text) })
}
func (f *fakeStore) LogAlert(_ context.Context, e task.AlertLogEntry) error {
	return f.do(func() { f.log = append(f.log, e) })
}
func (f *fakeStore) AlertLog(context.Context, string, int) ([]task.AlertLogEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log), f.err
}

// change changes the store.
func (f *fakeStore) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// fakeChannel keeps what it gets.
type fakeChannel struct {
	mu    sync.Mutex
	got   []Message
	send  func(ctx context.Context, m *Message) error // nil: takes all
	pace  Pace
	again time.Duration
}

func (c *fakeChannel) Kind() string { return "fake" }
func (c *fakeChannel) Pace() Pace {
	if c.pace.Burst == 0 {
		return PerMinute(19)
	}
	return c.pace
}
func (c *fakeChannel) Resend() time.Duration { return c.again }
func (c *fakeChannel) Send(ctx context.Context, m *Message) (string, error) {
	if c.send != nil {
		if err := c.send(ctx, m); err != nil {
			return "", err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, *m)
	return "ok", nil
}

// messages returns what the channel has got, and forgets it.
func (c *fakeChannel) messages() []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got
	c.got = nil
	return got
}

// start runs a Runner until the end of the test, or until stop is called.
func start(t *testing.T, f *fakeStore, o Options) (stop func()) {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	r, err := New(f, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// pass lets fake time pass.
func pass(d time.Duration) { time.Sleep(d) } // fake time
