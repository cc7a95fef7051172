package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// The figures of charts are bounded in time and in queues.
func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	h := newHistory()
	queues := make([]pool.QueueLoad, mostCharted+50)
	for i := range queues {
		queues[i].Name = fmt.Sprint("q", i)
	}
	begin := time.UnixMilli(1_800_000_000_000)
	const samples = 26 * 240 // more than a day
	for i := range samples {
		s := pool.Stats{Enqueued: int64(30 * i), Waiting: i, Ended: map[task.State]int64{task.Failed: int64(15 * i), task.Succeeded: int64(15 * i)}}
		h.add(begin.Add(time.Duration(i)*sampling), s, queues)
		h.add(begin.Add(time.Duration(i)*sampling+sampling/2), s, queues) // a picture for a viewer
	}
	if len(h.lines) != mostCharted+1 {
		t.Errorf("%d lines", len(h.lines))
	}
	hour, since := h.points("", false)
	if last := hour[len(hour)-1]; len(hour) != hourPoints || !since.Equal(begin) || last.values != [seriesCount]float32{2, 2, 1, samples - 1, 0, 0} || hour[0].at >= hour[1].at {
		t.Errorf("%d points of an hour, the last one is %+v, since %v", len(hour), last, since)
	}
	day, _ := h.points("q7", true)
	if len(day) < dayPoints || len(day) > dayPoints+1 || day[0].at >= day[1].at {
		t.Errorf("%d points of a day", len(day))
	}
	h.add(begin.Add(samples*sampling), pool.Stats{}, queues[:1]) // Redis has lost its data
	hour, _ = h.points("", false)
	if last := hour[len(hour)-1]; last.values != [seriesCount]float32{} || len(h.lines) != 2 {
		t.Errorf("after a loss: %+v, %d lines", last, len(h.lines))
	}
}

// Pages have charts as points and as a table. A time without samples is a gap.
func TestPagesHaveCharts(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"})
	h := b.c.sites[b.name].history
	begin := time.Now().Add(-10 * time.Minute)
	load := []pool.QueueLoad{{QueueInfo: pool.QueueInfo{Name: task.DefaultQueue, Waiting: 321}, In: 4.25}}
	for i, at := range []time.Duration{0, 15 * time.Second, 30 * time.Second, 5 * time.Minute} {
		h.add(begin.Add(at), pool.Stats{Enqueued: int64(i * 15), Waiting: 321}, load)
	}
	for _, path := range []string{"", "queue?name=" + task.DefaultQueue, "?range=day"} {
		if page := b.page(path); !strings.Contains(page, `<td class="n">321</td>`) || !strings.Contains(page, "uPlot.iife.min.js") {
			t.Errorf("%q has no chart", path)
		}
	}
	if strings.Contains(b.page("tasks?state=waiting"), "uPlot") {
		t.Error("a page without a chart loads the library")
	}
	status, text := b.do(http.MethodGet, b.path("chart?queue="+task.DefaultQueue), nil)
	var got map[string][]*float64
	if err := json.Unmarshal([]byte(text), &got); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	if in := got["in"]; len(in) < 5 || *in[0] != 4.25 || in[3] != nil || len(got["t"]) != len(in) || len(got["oldest"]) != len(in) {
		t.Errorf("%s", text)
	}
	if _, text := b.do(http.MethodGet, b.path("chart?queue=absent"), nil); !strings.Contains(text, `"t":[]`) {
		t.Error(text)
	}
}

// Points stay in the order of their times when the clock of Redis goes back.
func TestPointsAreInTheOrderOfTheirTimes(t *testing.T) {
	t.Parallel()
	var l line
	for _, at := range []int64{100, 115, 40, 55, 115, 130} {
		l.add(point{at: at})
	}
	var got []int64
	for _, p := range l.hour.all() {
		got = append(got, p.at)
	}
	if !slices.Equal(got, []int64{100, 115, 130}) {
		t.Errorf("%v", got)
	}
}
