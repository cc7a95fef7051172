package alert

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

const (
	// minBucket is the least width of a bucket. A window has at most about 60 buckets.
	minBucket = 10 * time.Second
	// maxSeries bounds the series of a bucket. Events beyond it count for the kind "other".
	maxSeries = 200
	// maxDetail bounds the error of a task in a message, in bytes.
	maxDetail = 200
)

// series are the labels of counted events.
type series struct{ Queue, Kind, Group string }

// tally counts events.
type tally struct {
	Ended  int    `json:"n,omitempty"`
	Failed int    `json:"f,omitempty"`
	Lost   int    `json:"l,omitempty"`
	Slow   int    `json:"s,omitempty"`
	Error  string `json:"e,omitempty"` // of the latest failure
}

func (t *tally) add(o tally) {
	t.Ended += o.Ended
	t.Failed += o.Failed
	t.Lost += o.Lost
	t.Slow += o.Slow
	if o.Error != "" {
		t.Error = o.Error
	}
}

// windows counts events in buckets by their time. Each length of a window has buckets of its own.
type windows struct {
	groups bool // a rule looks at groups
	all    map[time.Duration]*window
	stale  []string // fields of buckets in the store that no rule needs any more
}

// window has the buckets of one length.
type window struct {
	length, width time.Duration
	buckets       map[int64]map[series]tally // by the start in ms
	changed       map[int64]bool
}

func newWindows(rules []Rule) *windows {
	w := &windows{all: map[time.Duration]*window{}}
	for _, r := range rules {
		if conditions[r.When].need&needEvents == 0 || r.Window == 0 {
			continue
		}
		if w.all[r.Window] == nil {
			w.all[r.Window] = &window{length: r.Window, width: max(minBucket, (r.Window / 60).Truncate(time.Second)),
				buckets: map[int64]map[series]tally{}, changed: map[int64]bool{}}
		}
		w.groups = w.groups || len(r.Groups) > 0 || slices.Contains(r.By, "group")
	}
	return w
}

// longest is the length of the longest window.
func (w *windows) longest() (d time.Duration) {
	for length := range w.all {
		d = max(d, length)
	}
	return d
}

// since returns the windows with a length that earlier ones do not have, nil for none.
func (w *windows) since(earlier *windows) *windows {
	fresh := &windows{groups: w.groups, all: maps.Clone(w.all)}
	maps.DeleteFunc(fresh.all, func(length time.Duration, _ *window) bool { return earlier.all[length] != nil })
	if len(fresh.all) == 0 {
		return nil
	}
	return fresh
}

// count counts an event. It ignores one that no condition uses.
func (w *windows) count(e task.Event) {
	var t tally
	switch {
	case e.ID == "" || e.Broken != nil:
		return
	case e.State.Terminal():
		t.Ended = 1
	}
	if e.State == task.Failed {
		t.Failed, t.Error = 1, task.CutHead(e.Error, maxDetail)
		if t.Error == "" {
			t.Error = string(e.Code)
		}
	}
	if e.Code == task.CodeLost {
		t.Lost = 1
	}
	if e.Code == task.CodeSlow {
		t.Slow = 1
	}
	if t == (tally{}) {
		return
	}
	s := series{Queue: e.Queue, Kind: e.Kind}
	if w.groups {
		s.Group = e.Group
	}
	for _, window := range w.all {
		window.add(e.At, s, t)
	}
}

func (w *window) add(at time.Time, s series, t tally) {
	start := at.Truncate(w.width).UnixMilli()
	bucket := w.buckets[start]
	if bucket == nil {
		bucket = map[series]tally{}
		w.buckets[start] = bucket
	}
	if _, known := bucket[s]; !known && len(bucket) >= maxSeries {
		s = series{Queue: "other", Kind: "other"}
	}
	sum := bucket[s]
	sum.add(t)
	bucket[s] = sum
	w.changed[start] = true
}

// over adds up the events of the window of the rule that ends now, by the labels.
func (w *windows) over(now time.Time, r *Rule) map[series]tally {
	sums := map[series]tally{}
	window := w.all[r.Window]
	for start, bucket := range window.buckets {
		// After the clock was set back, buckets may be in the future.
		if age := now.Sub(time.UnixMilli(start)); age >= r.Window+window.width || age < 0 {
			continue
		}
		for s, t := range bucket {
			if !matches(r.Queues, s.Queue) || !matches(r.Kinds, s.Kind) || !matches(r.Groups, s.Group) {
				continue
			}
			by := series{}
			for _, label := range r.By {
				switch label {
				case "queue":
					by.Queue = s.Queue
				case "kind":
					by.Kind = s.Kind
				case "group":
					by.Group = s.Group
				}
			}
			sum := sums[by]
			sum.add(t)
			sums[by] = sum
		}
	}
	return sums
}

// field is the field of a bucket in the store.
func (w *window) field(start int64) string {
	return "w:" + strconv.FormatInt(int64(w.length/time.Second), 10) + ":" + strconv.FormatInt(start, 10)
}

// write adds the changed buckets to the write, and removes those that no window includes any more.
func (w *windows) write(now time.Time, to *task.AlertWrite) {
	to.Remove = append(to.Remove, w.stale...)
	w.stale = nil
	for _, window := range w.all {
		window.write(now, to)
	}
}

func (w *window) write(now time.Time, to *task.AlertWrite) {
	for start := range w.buckets {
		if age := now.Sub(time.UnixMilli(start)); age > w.length+2*w.width || age < -w.width {
			delete(w.buckets, start)
			delete(w.changed, start)
			to.Remove = append(to.Remove, w.field(start))
		}
	}
	for start := range w.changed {
		list := make([]storedTally, 0, len(w.buckets[start]))
		for s, t := range w.buckets[start] {
			list = append(list, storedTally{s.Queue, s.Kind, s.Group, t})
		}
		to.Set[w.field(start)] = encode(list)
	}
	clear(w.changed)
}

type storedTally struct {
	Queue string `json:"queue,omitempty"`
	Kind  string `json:"kind,omitempty"`
	Group string `json:"group,omitempty"`
	tally
}

// load reads a bucket from the store, unless its window is a fresh one.
func (w *windows) load(field, text string, fresh *windows) {
	seconds, ms, _ := strings.Cut(strings.TrimPrefix(field, "w:"), ":")
	length, err := strconv.ParseInt(seconds, 10, 64)
	window := w.all[time.Duration(length)*time.Second]
	start, failed := strconv.ParseInt(ms, 10, 64)
	var list []storedTally
	old := window != nil && (fresh == nil || fresh.all[window.length] == nil)
	if err != nil || failed != nil || !old || json.Unmarshal([]byte(text), &list) != nil {
		w.stale = append(w.stale, field)
		return
	}
	bucket := map[series]tally{}
	for _, t := range list {
		bucket[series{t.Queue, t.Kind, t.Group}] = t.tally
	}
	window.buckets[start] = bucket
}

// encode returns a value as JSON.
func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // all types are plain
	}
	return string(b)
}
