package alert

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

const (
	// minBucket is the least width of a bucket. A window has about 60 of them.
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

// windows counts the events of the last time in buckets by the time of the events.
type windows struct {
	width, length time.Duration
	groups        bool // a rule looks at groups
	buckets       map[int64]map[series]tally
	changed       map[int64]bool
}

func newWindows(rules []Rule) *windows {
	w := &windows{buckets: map[int64]map[series]tally{}, changed: map[int64]bool{}}
	for _, r := range rules {
		if conditions[r.When].need&needEvents == 0 {
			continue
		}
		w.length = max(w.length, r.Window)
		w.groups = w.groups || len(r.Groups) > 0 || slices.Contains(r.By, "group")
	}
	w.width = max(minBucket, (w.length / 60).Truncate(time.Second))
	return w
}

// count counts an event. It ignores one that tells nothing about a rule.
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
	start := e.At.Truncate(w.width).UnixMilli()
	bucket := w.buckets[start]
	if bucket == nil {
		bucket = map[series]tally{}
		w.buckets[start] = bucket
	}
	s := series{Queue: e.Queue, Kind: e.Kind}
	if w.groups {
		s.Group = e.Group
	}
	if _, known := bucket[s]; !known && len(bucket) >= maxSeries {
		s = series{Queue: "other", Kind: "other"}
	}
	sum := bucket[s]
	sum.add(t)
	bucket[s] = sum
	w.changed[start] = true
}

// over adds up the events of the window that ends now, by the labels.
func (w *windows) over(now time.Time, window time.Duration, r *Rule) map[series]tally {
	sums := map[series]tally{}
	for start, bucket := range w.buckets {
		if now.Sub(time.UnixMilli(start)) >= window+w.width {
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

// bucketField is the field of a bucket in the store.
func bucketField(start int64) string { return "w:" + strconv.FormatInt(start, 10) }

// write adds the changed buckets to a change of the store, and removes old ones.
func (w *windows) write(now time.Time, to *task.AlertWrite) {
	for start := range w.buckets {
		if now.Sub(time.UnixMilli(start)) > w.length+2*w.width {
			delete(w.buckets, start)
			delete(w.changed, start)
			to.Remove = append(to.Remove, bucketField(start))
		}
	}
	for start := range w.changed {
		list := make([]storedTally, 0, len(w.buckets[start]))
		for s, t := range w.buckets[start] {
			list = append(list, storedTally{s.Queue, s.Kind, s.Group, t})
		}
		to.Set[bucketField(start)] = encode(list)
	}
	clear(w.changed)
}

type storedTally struct {
	Queue string `json:"queue,omitempty"`
	Kind  string `json:"kind,omitempty"`
	Group string `json:"group,omitempty"`
	tally
}

// load reads a bucket from the store.
func (w *windows) load(field, text string) {
	start, err := strconv.ParseInt(strings.TrimPrefix(field, "w:"), 10, 64)
	var list []storedTally
	if err != nil || json.Unmarshal([]byte(text), &list) != nil {
		return
	}
	bucket := map[series]tally{}
	for _, t := range list {
		bucket[series{t.Queue, t.Kind, t.Group}] = t.tally
	}
	w.buckets[start] = bucket
}

// encode returns a value as JSON.
func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // all types are plain
	}
	return string(b)
}
