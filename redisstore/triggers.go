package redisstore

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

const (
	// triggerAhead is how long before it is due a replica gets a trigger. The replica then
	// needs only one call when the trigger is due.
	triggerAhead = time.Second
	// triggerReserve is how long after that other replicas do not get the trigger. They get
	// it triggerAhead earlier.
	triggerReserve = 2 * time.Second
)

// Triggers reads triggers in the order of the names, and the time of the server's clock.
// A trigger that does not exist has no version.
func (s *Store) Triggers(ctx context.Context, names ...string) (read []task.StoredTrigger, now time.Time, err error) {
	read = make([]task.StoredTrigger, 0, len(names))
	err = s.pipeline(ctx, names, triggerPage, func(p redis.Pipeliner, name string) func() {
		fields := p.HGetAll(ctx, s.key("trigger:", name))
		return func() { read = append(read, storedTrigger(name, fields.Val())) }
	})
	if err == nil {
		now, err = s.now(ctx)
	}
	return read, time.UnixMilli(now.UnixMilli()), s.fail(ctx, "read triggers", err)
}

// TriggerNames returns the names of all triggers, sorted.
func (s *Store) TriggerNames(ctx context.Context) ([]string, error) {
	var names []string
	members := s.scan(ctx, func(rdb redis.UniversalClient, cursor uint64) *redis.ScanCmd {
		return rdb.ZScan(ctx, s.key("triggers"), cursor, "", scanPage)
	})
	for page, err := range members {
		if err != nil {
			return nil, s.fail(ctx, "list triggers", err)
		}
		for i := 0; i < len(page); i += 2 {
			names = append(names, page[i])
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// SetTrigger writes a definition. It returns false and writes nothing if the trigger has
// changed since the caller has read it.
func (s *Store) SetTrigger(ctx context.Context, c task.TriggerChange) (bool, error) {
	if err := s.ready(ctx, creates); err != nil {
		return false, err
	}
	return s.changeTrigger(ctx, "set", c.Entry, c.Name, c.Read.Version, momentArg(c.Read.Planned), momentArg(c.Planned), momentArg(c.Due),
		flagArg(c.KeepPlan), c.Definition, flagArg(c.Paused), momentArg(c.Anchor), spanArg(c.After), c.Origin)
}

// ResumeTrigger plans the next firing of a paused trigger. It returns false and writes
// nothing if the trigger has changed since the caller has read it.
func (s *Store) ResumeTrigger(ctx context.Context, c task.TriggerChange) (bool, error) {
	return s.changeTrigger(ctx, "resume", "", c.Name, c.Read.Version, momentArg(c.Read.Planned), momentArg(c.Planned), momentArg(c.Due))
}

// PauseTrigger pauses a trigger. It does not fire any more when PauseTrigger has returned.
func (s *Store) PauseTrigger(ctx context.Context, name string) error {
	_, err := s.changeTrigger(ctx, "pause", "", name, "")
	return err
}

// RemoveTrigger removes a trigger and its history. Its tasks stay.
func (s *Store) RemoveTrigger(ctx context.Context, name string) error {
	_, err := s.changeTrigger(ctx, "remove", "", name, "")
	return err
}

// changeTrigger calls the trigger script and reports whether it had an effect. It returns
// ErrNoTrigger if there is no such trigger, and ErrEntryTaken if the change is that of an
// entry that another replica has taken. The error names the change and the trigger, or the
// entry if name is "".
func (s *Store) changeTrigger(ctx context.Context, verb, entry, name string, args ...any) (bool, error) {
	doing := verb + " trigger " + cmp.Or(task.Clip(name), "entry")
	reply, err := s.run(ctx, triggerScript, append([]any{verb, entry, name}, args...)...)
	if err != nil {
		return false, s.fail(ctx, doing, err)
	}
	r := readSingle(doing, reply)
	switch n := r.int(); {
	case r.err != nil:
		return false, r.err
	case n < 0:
		return false, s.fail(ctx, doing, task.ErrNoTrigger)
	case n == 2:
		return false, s.fail(ctx, doing, task.ErrEntryTaken)
	default:
		return n == 1, nil
	}
}

// TriggerHistory reads the newest entries of a trigger's history, newest first.
func (s *Store) TriggerHistory(ctx context.Context, name string) ([]task.TriggerRecord, error) {
	var texts []string
	err := s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
		texts, err = rdb.LRange(ctx, s.key("fired:", name), 0, -1).Result()
		return err
	})
	if err != nil {
		return nil, s.fail(ctx, "read the history of a trigger", err)
	}
	var records []task.TriggerRecord
	for _, text := range slices.Backward(texts) {
		var e struct {
			Planned, Last, At  int64
			Outcome, Task, Why string
		}
		if json.Unmarshal([]byte(text), &e) != nil {
			continue // another program wrote it
		}
		records = append(records, task.TriggerRecord{
			Planned: moment(e.Planned), Last: moment(e.Last), At: moment(e.At), Outcome: task.TriggerOutcome(e.Outcome), Task: e.Task, Why: e.Why,
		})
	}
	return records, nil
}

// FireTriggers applies what was decided about triggers, and returns up to most triggers
// that are due within triggerAhead. If most is 0, a firing before its time gives its trigger
// back.
func (s *Store) FireTriggers(ctx context.Context, firings []task.TriggerFiring, most int) (task.FiredTriggers, error) {
	args := []any{min(most, triggerBatch), triggerAhead.Milliseconds(), triggerReserve.Milliseconds()}
	args = appendFirings(args, firings)
	reply, err := s.run(ctx, fireScript, args...)
	if err != nil {
		return task.FiredTriggers{}, s.fail(ctx, "fire triggers", err)
	}
	got, err := decodeFired(reply, firings)
	return got, s.fail(ctx, "fire triggers", err)
}

// appendFirings appends the arguments of the script for firings. Those whose tasks have the same
// shape share a group, except those of triggers that wait for the end of their task.
func appendFirings(args []any, firings []task.TriggerFiring) []any {
	var groups []shape
	shared := make(map[shape]int) // index of the group from 1
	in := make([]int, len(firings))
	tasks := 0
	for i := range firings {
		f := &firings[i]
		if len(f.Tasks) == 0 {
			continue
		}
		tasks += len(f.Tasks)
		sh := shapeOf(&f.Spec)
		sh.given = f.Op == task.RunTriggerOnce // a repeated call finds its task, or its entry in the history
		alone := f.After > 0 || f.Overlap != "allow"
		if n := shared[sh]; n > 0 && !alone {
			in[i] = n
			continue
		}
		groups = append(groups, sh)
		in[i] = len(groups)
		if !alone {
			shared[sh] = in[i]
		}
	}
	args = append(args, len(groups))
	for i := range groups {
		args = groups[i].appendTo(args)
	}
	args = append(args, len(firings))
	made := newIDs(tasks)
	for i := range firings {
		f := &firings[i]
		read := f.Read.Planned
		if f.Op == task.FirePending {
			read = f.Read.Pending
		}
		args = append(args, f.Read.Name, string(f.Op), f.Read.Version, momentArg(read), momentArg(f.Next), momentArg(f.Due), spanArg(f.After), f.Overlap,
			momentArg(f.First), momentArg(f.Last), f.Why, in[i], len(f.Tasks))
		for k := range f.Tasks {
			args = append(args, momentArg(f.Tasks[k].Planned), made[0], f.Tasks[k].Payload)
			made = made[1:]
		}
	}
	return args
}

func decodeFired(reply any, firings []task.TriggerFiring) (got task.FiredTriggers, err error) {
	r := readReply("fire triggers", reply)
	got.Now = time.UnixMicro(r.int())
	got.Next = time.Duration(r.int()) * time.Millisecond
	if n := r.int(); r.err == nil && n != int64(len(firings)) {
		r.fail("as many results as firings", n)
	}
	for i := 0; i < len(firings) && r.err == nil; i++ {
		got.Changed = append(got.Changed, r.int() == 0)
		n := r.int()
		var fired []task.TriggerRecord
		for k := int64(0); k < n && r.err == nil; k++ {
			e := task.TriggerRecord{At: got.Now, Outcome: task.TriggerOutcome(r.string()), Task: r.string(), Why: r.string()}
			if k < int64(len(firings[i].Tasks)) {
				e.Planned = firings[i].Tasks[k].Planned
			}
			fired = append(fired, e)
		}
		got.Fired = append(got.Fired, fired)
	}
	for r.more() {
		name, at := r.string(), moment(r.int())
		t := storedTrigger(name, map[string]string{
			"version": r.string(), "planned": r.string(), "due": r.string(), "pending": r.string(), "anchor": r.string(), "def": r.string(),
		})
		t.At = at
		got.Due = append(got.Due, t)
	}
	return got, r.err
}

// storedTrigger reads the fields of a trigger. A time that is no number is zero.
func storedTrigger(name string, h map[string]string) task.StoredTrigger {
	at := func(field string) time.Time {
		ms, _ := strconv.ParseInt(h[field], 10, 64)
		return moment(ms)
	}
	return task.StoredTrigger{
		Name: name, Definition: h["def"], Version: h["version"], Origin: h["origin"], Planned: at("planned"), Due: at("due"), Pending: at("pending"),
		Anchor: at("anchor"), Paused: h["paused"] != "", SetAt: at("set_at"), Task: h["task"],
	}
}

// moment returns a time in ms since 1970, the zero time for 0.
func moment(ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// momentArg is the inverse of moment; "" for the zero time.
func momentArg(t time.Time) any {
	if t.IsZero() {
		return ""
	}
	return t.UnixMilli()
}

func spanArg(d time.Duration) any {
	if d == 0 {
		return ""
	}
	return d.Milliseconds()
}

func flagArg(on bool) string {
	if on {
		return "1"
	}
	return ""
}
