package console

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

const (
	// sampling is how often the console reads the figures of a pool for its charts, also while no
	// browser is connected. Viewers add no reads.
	sampling = 15 * time.Second
	// Each chart has the samples of the last hour, and an average of each minute of the last day.
	hourPoints = int(time.Hour / sampling)
	dayPoints  = 24 * 60
	// mostCharted is how many queues have charts.
	mostCharted = 100
)

// The series of a chart.
const (
	seriesIn      = iota // tasks made per second
	seriesOut            // tasks ended per second
	seriesFailed         // tasks failed per second; only of the whole pool
	seriesWaiting        // tasks
	seriesRunning        // tasks
	seriesOldest         // wait of the oldest waiting task in seconds
	seriesCount
)

var seriesNames = [seriesCount]string{"in", "out", "failed", "waiting", "running", "oldest"}

// point has the values of all series at a time.
type point struct {
	at     int64 // in seconds
	values [seriesCount]float32
}

// ring has the newest points.
type ring struct {
	points []point
	first  int // the oldest one, once it is full
}

func (r *ring) add(p point, most int) {
	if len(r.points) < most {
		r.points = append(r.points, p)
		return
	}
	r.points[r.first] = p
	r.first = (r.first + 1) % most
}

func (r *ring) all() []point { return slices.Concat(r.points[r.first:], r.points[:r.first]) }

// line is what is kept of the pool or of a queue.
type line struct {
	hour, day ring
	minute    []point // of the minute that is not over
	newest    int64   // the time of the last point
}

// add adds a point. One that is not newer than the last one, because the clock of Redis went back,
// is dropped: the points are in the order of their times.
func (l *line) add(p point) {
	if p.at <= l.newest {
		return
	}
	l.newest = p.at
	l.hour.add(p, hourPoints)
	if len(l.minute) > 0 && p.at/60 != l.minute[0].at/60 {
		l.day.add(merged(l.minute), dayPoints)
		l.minute = l.minute[:0]
	}
	l.minute = append(l.minute, p)
}

// merged returns the average of the rates and the most of the other series.
func merged(points []point) point {
	m := point{at: points[0].at}
	for _, p := range points {
		for i, v := range p.values {
			if i <= seriesFailed {
				m.values[i] += v / float32(len(points))
			} else {
				m.values[i] = max(m.values[i], v)
			}
		}
	}
	return m
}

// history has the figures of a pool that this process has seen. It is in memory and bounded.
type history struct {
	mu     sync.Mutex
	since  time.Time
	at     time.Time // of the last sample, by the clock of Redis
	last   pool.Stats
	lines  map[string]*line // by queue, "" for the pool
	closed chan struct{}
	once   sync.Once
}

func newHistory() *history {
	return &history{lines: map[string]*line{"": {}}, closed: make(chan struct{})}
}

func (h *history) close() { h.once.Do(func() { close(h.closed) }) }

// add adds a sample, unless the last one is newer than sampling.
func (h *history) add(at time.Time, s pool.Stats, queues []pool.QueueLoad) {
	h.mu.Lock()
	defer h.mu.Unlock()
	// Pictures that are read for viewers come between those of the ticker.
	past := at.Sub(h.at)
	if past < sampling-time.Second && past >= 0 {
		return
	}
	first := h.at.IsZero()
	if first {
		h.since = at
	}
	p := point{at: at.Unix()}
	if !first && past > 0 {
		rate := func(now, before int64) float32 { return max(float32(float64(now-before)/past.Seconds()), 0) }
		p.values[seriesIn] = rate(s.Enqueued+s.Retried, h.last.Enqueued+h.last.Retried)
		p.values[seriesOut] = rate(endedTasks(s), endedTasks(h.last))
		p.values[seriesFailed] = rate(s.Ended[task.Failed], h.last.Ended[task.Failed])
	}
	p.values[seriesWaiting], p.values[seriesRunning] = float32(s.Waiting), float32(s.Running)
	known := map[string]bool{"": true}
	for _, q := range queues {
		known[q.Name] = true
		p.values[seriesOldest] = max(p.values[seriesOldest], float32(q.OldestWait.Seconds()))
	}
	for name := range h.lines {
		if !known[name] {
			delete(h.lines, name)
		}
	}
	if !first {
		h.line("").add(p)
	}
	for _, q := range queues {
		if l := h.line(q.Name); l != nil {
			l.add(point{p.at, [seriesCount]float32{float32(q.In), float32(q.Out), 0, float32(q.Waiting), float32(q.Running), float32(q.OldestWait.Seconds())}})
		}
	}
	h.at, h.last = at, s
}

// line returns what is kept of a queue, nil if too many are.
func (h *history) line(name string) *line {
	if h.lines[name] == nil && len(h.lines) <= mostCharted {
		h.lines[name] = &line{}
	}
	return h.lines[name]
}

func endedTasks(s pool.Stats) (n int64) {
	for _, ended := range s.Ended {
		n += ended
	}
	return n
}

// points returns the points of a queue, "" for the pool, and since when there are some.
func (h *history) points(queue string, day bool) ([]point, time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.lines[queue]
	switch {
	case l == nil:
		return nil, h.since
	case day:
		all := l.day.all()
		if len(l.minute) > 0 {
			all = append(all, merged(l.minute))
		}
		return all, h.since
	}
	return l.hour.all(), h.since
}

// sample reads the figures of the pool until the console is closed.
func (s *site) sample() {
	tick := time.NewTicker(sampling)
	defer tick.Stop()
	for {
		select {
		case <-s.history.closed:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		snap, err := s.store.Snapshot(ctx, 0)
		var loads []pool.QueueLoad
		if err == nil {
			loads, err = s.pool.LoadOf(ctx, snap.Stats.Queues)
		}
		if err == nil { // else the chart has a gap
			s.history.add(snap.At, snap.Stats, loads)
		}
		cancel()
	}
}

// chart is a part of a page: the last hour or day of the pool or of a queue.
type chart struct {
	Queue string // "" for the pool
	Day   bool
	Since time.Time
	Rows  []chartRow // the same as text
}

// chartRow is a part of the time of a chart.
type chartRow struct {
	From   time.Time
	Values [seriesCount]float32
}

// Failed reports whether the chart has failures.
func (c *chart) Failed() bool { return c.Queue == "" }

func (q *request) chartOf(queue string) *chart {
	c := &chart{Queue: queue, Day: q.FormValue("range") == "day"}
	points, since := q.site.history.points(queue, c.Day)
	c.Since = since
	step := int64(5 * 60)
	if c.Day {
		step = 3600
	}
	for i := 0; i < len(points); {
		j := i
		for j < len(points) && points[j].at/step == points[i].at/step {
			j++
		}
		c.Rows = append(c.Rows, chartRow{time.Unix(points[i].at/step*step, 0), merged(points[i:j]).values})
		i = j
	}
	slices.Reverse(c.Rows)
	return c
}

// chart returns the points of a chart as JSON: t in seconds, and the series.
func (q *request) chart() error {
	day := q.FormValue("range") == "day"
	points, _ := q.site.history.points(q.FormValue("queue"), day)
	gap := int64(3 * sampling / time.Second)
	if day {
		gap = 180
	}
	out := map[string][]any{"t": {}}
	for _, name := range seriesNames {
		out[name] = []any{}
	}
	for i, p := range points {
		if i > 0 && p.at-points[i-1].at > gap { // nothing was read meanwhile
			out["t"] = append(out["t"], p.at-1)
			for _, name := range seriesNames {
				out[name] = append(out[name], nil)
			}
		}
		out["t"] = append(out["t"], p.at)
		for k, name := range seriesNames {
			out[name] = append(out[name], p.values[k])
		}
	}
	text, err := json.Marshal(out)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "application/json")
	q.w.WriteHeader(http.StatusOK)
	_, _ = q.w.Write(text) // a browser that has closed the connection gets nothing
	return nil
}
