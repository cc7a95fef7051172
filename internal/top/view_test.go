package top

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ltsworker/ltsworker/internal/failures"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// busyPool returns a snapshot with some of everything.
func busyPool() snapshot {
	now := time.Now()
	s := queuesOf("default", "media")
	s.At, s.complete, s.all = now, true, true
	s.Stats.Enqueued, s.Stats.Running, s.Stats.Waiting = 20, 2, 7
	for i, id := range []string{"render-1", "render-2"} {
		s.Running = append(s.Running, &task.Task{Spec: task.Spec{ID: id, Kind: "render", Queue: "media", Group: "acme"}, State: task.Running,
			Replica: "r1", Attempt: 3, StartedAt: now.Add(time.Duration(i-9) * time.Second), Progress: []byte(`{"frames":7}`)})
	}
	s.replicas = []pool.ReplicaInfo{{ID: "r1", Host: "host-1", PID: 7, Version: "v1.2.3", Queues: map[string]int{"media": 4}, Kinds: []string{"render"},
		Lease: 30 * time.Second, Running: 2, StartedAt: now.Add(-time.Hour), SeenAt: now}}
	s.failures = []failures.Group{failed("mail", "no such host", 3)}
	s.groups = []pool.GroupInfo{{Name: "acme", Limit: 2, Own: true, Running: 2, Held: 5}}
	return s
}

func TestLayoutFollowsTheSizeOfTheTerminal(t *testing.T) {
	narrow := []string{"(whole pool)", "default", "render-1", "render", "r1", "host-1", "2/4", "mail", "no such host", "acme", "5", "full", "q quit"}
	wide := []string{"SLOTS", "MAX LEN", "v1.2.3", "media:4", "LEASE", "ATTEMPT", `{"frames":7}`, "FIRST"}
	m := newTestModel(t, 80, 24)
	m.get(busyPool())
	m.shows(narrow...)
	picture := strings.Join(m.lines(), "\n")
	for _, text := range wide {
		if strings.Contains(picture, text) {
			t.Errorf("%s is shown in 80 columns:\n%s", text, picture)
		}
	}
	m.Update(tea.WindowSizeMsg{Width: 200, Height: 50})
	m.shows(append(narrow, wide...)...)
	for width := 1; width <= 210; width += 11 {
		for height := 1; height <= 60; height += 3 {
			m.Update(tea.WindowSizeMsg{Width: width, Height: height})
			for _, key := range []string{"1", "5", "z", "?", "?", "z", "/", "esc"} {
				m.press(key)
				if m.focus == groupTable && !m.zoom && !m.help && height >= 9 && width > 20 && m.marked() != "acme" {
					t.Errorf("%d × %d: the chosen row is not shown:\n%s", width, height, strings.Join(m.lines(), "\n"))
				}
				m.lines()
			}
		}
	}
}

func TestTablesShareTheLines(t *testing.T) {
	for lines := range 60 {
		for chosen := range tables {
			for _, needs := range [][tables]int{{100, 100, 100, 100, 100}, {1, 0, 0, 0, 0}, {3, 50, 2, 0, 4}} {
				rows := share(lines, needs, chosen)
				used := -1
				for i, n := range rows {
					if n > needs[i] {
						t.Errorf("table %d gets %d of %d", i, n, needs[i])
					}
					if n >= 0 {
						used += 2 + n
					}
				}
				if used > max(lines, 1) {
					t.Errorf("%d lines, needs %v: %v are %d lines", lines, needs, rows, used)
				}
				if lines >= 2 && rows[chosen] < min(needs[chosen], 1) {
					t.Errorf("%d lines, needs %v: no row of the chosen table %d in %v", lines, needs, chosen, rows)
				}
				if lines >= 14 && slices.Contains(rows[:], -1) {
					t.Errorf("%d lines, needs %v: a table is left out of %v", lines, needs, rows)
				}
			}
		}
	}
}

func TestQueuesAreSortedAsPeopleCount(t *testing.T) {
	m := newTestModel(t, 80, 24)
	s := queuesOf("q10", "q2", "b", "q1")
	for i := range s.queues {
		s.queues[i].Waiting = []int{5, 30, 0, 200}[i]
	}
	m.get(s)
	for _, step := range []struct{ keys, want string }{
		{"", "b q1 q2 q10"}, {"O", "q10 q2 q1 b"}, {"o", "q1 q2 q10 b"}, {"O", "b q10 q2 q1"}, {"<", "b q1 q2 q10"}, {">", "q1 q2 q10 b"}, {"O", "b q10 q2 q1"},
	} {
		m.press(strings.Fields(step.keys)...)
		if got := strings.Join(m.column("QUEUE")[1:], " "); got != step.want {
			t.Errorf("after %q: %s, want %s", step.keys, got, step.want)
		}
	}
	m.shows("WAITING↑")
	for _, key := range []string{">", "<"} {
		for range len(queueColumns) {
			m.press(key)
			if c := queueColumns[m.tables[queueTable].by]; c.from > 80 {
				t.Errorf("it sorts by %s, which is not shown", c.header)
			}
		}
	}
}

func TestGroupsThatBlockTasksAreFirst(t *testing.T) {
	m := newTestModel(t, 80, 30)
	m.get(snapshot{groups: []pool.GroupInfo{{Name: "free", Own: true, Running: 9}, {Name: "half", Limit: 4, Running: 2}, {Name: "idle", Limit: 4},
		{Name: "more", Limit: 4, Running: 3}, {Name: "some", Limit: 4, Running: 4, Held: 1}, {Name: "tenant", Limit: 4, Running: 4, Held: 7}}})
	if got := strings.Join(m.column("GROUP"), " "); got != "tenant some more half free idle" {
		t.Errorf("got %s", got)
	}
	m.shows("RUNNING  HELD↓  STATE", "exempt", "full")
}

func TestFirstLinesAreShownAfterAChangeOfTheOrder(t *testing.T) {
	s := busyPool()
	s.queues, s.groups = nil, nil
	for i := range 30 {
		s.queues = append(s.queues, pool.QueueLoad{QueueInfo: pool.QueueInfo{Name: fmt.Sprint("q", 10+i), Waiting: 100 + i}})
		s.groups = append(s.groups, pool.GroupInfo{Name: fmt.Sprint("g", 10+i), Limit: 40, Running: i})
	}
	for _, step := range []struct{ name, keys, want, first string }{
		{"the other way round", "5 < O", "g10", "g10"},
		{"from the end", "5 G >", "g39", "g39"},
		{"a row in sight", "1 j >", "q39", "(whole pool)"},
		{"the first row", "1 >", "(whole pool)", "(whole pool)"},
		{"only the chosen table", "1 z j j j O", "q39", "(whole pool)"},
		{"still in sight", "1 z G k k O", "q37", "(whole pool)"},
	} {
		m := newTestModel(t, 80, 24)
		m.get(s)
		m.press(strings.Fields(step.keys)...)
		lines := m.column(map[byte]string{'1': "QUEUE", '5': "GROUP"}[step.keys[0]])
		if got := m.marked(); got != step.want || lines[0] != step.first {
			t.Errorf("%s: it is on %s, want %s; the lines are %v", step.name, got, step.want, lines)
		}
	}
}

func TestTitleOfAFailureHasNoNumber(t *testing.T) {
	m := newTestModel(t, 100, 24)
	s := snapshot{failures: []failures.Group{failed("card.charge", "command ended with exit status 1: bank code 17", 2)}}
	m.get(s)
	m.press("4", "enter")
	m.shows("failures of kind card.charge: command ended with exit status #: bank code #")
}

func TestFilterShowsLinesWithTheText(t *testing.T) {
	m := newTestModel(t, 80, 30)
	s := busyPool()
	s.queues = append(s.queues, queuesOf("q1", "q2", "q10").queues...)
	m.get(s)
	m.press("/", "Q", "1")
	m.shows("/Q1_", "Enter keep")
	if got := m.column("QUEUE"); !slices.Equal(got, []string{"(whole pool)", "q1", "q10"}) || m.marked() != "q1" {
		t.Errorf("queues %v, on %s", got, m.marked())
	}
	m.shows("RUNNING", "none")
	m.press("backspace", "backspace", "m", "e", "d", "i", "a", "enter")
	m.shows(`only lines with "media"`, "render-1")
	m.get(s)
	if got := m.column("QUEUE"); !slices.Equal(got, []string{"(whole pool)", "media"}) {
		t.Errorf("queues %v", got)
	}
	m.press("esc")
	if got := m.column("QUEUE"); len(got) != 6 {
		t.Errorf("queues %v", got)
	}
	m.press("/")
	m.Update(tea.PasteMsg{Content: "no such\x1b[31m"})
	m.shows(`/no such\x1b[31m_`)
	m.press("esc")
	m.shows("q quit")
}

func TestErrorsWithACommonBeginningDiffer(t *testing.T) {
	m := newTestModel(t, 80, 24)
	const start = "command ended with exit status 1: cannot reach the primary database of the shop: "
	s := busyPool()
	s.failures = []failures.Group{failed("db", start+"refused", 3), failed("db", start+"timeout", 2)}
	m.get(s)
	m.shows("…refused", "…timeout")
	m.Update(tea.WindowSizeMsg{Width: 200, Height: 50})
	m.shows(start+"refused", start+"timeout")
}

func TestTextFromOthersCannotControlTheTerminal(t *testing.T) {
	const evil = "\x1b[31m\x1b]0;title\a\u202e错误\r\n"
	s := busyPool()
	s.queues[0].Name = evil
	s.replicas[0].Host, s.replicas[0].Kinds = evil, []string{evil}
	s.Running[0].ID, s.Running[0].Progress = evil, []byte(evil)
	s.groups[0].Name = evil
	s.failures = []failures.Group{failed(evil, evil, 2)}
	m := newTestModel(t, 200, 50)
	m.title = evil
	m.get(s)
	check := func(what string) {
		t.Helper()
		m.lines()
		if picture := m.picture(); strings.ContainsAny(picture, "\x1b\a\r\u202e") || !strings.Contains(picture, "错误") {
			t.Errorf("%s: %q", what, picture)
		}
	}
	check("overview")
	for table := range tables {
		m.focus = table
		m.tables[table].choose(1)
		m.press("enter")
		m.Update(readMsg{snapshot: s, page: m.page(), content: content{lines: []string{terminal.Visible(evil)}, rows: taskRows(s.Running, &s)}})
		m.reading = true
		check(fmt.Sprint("page of table ", table))
		m.press("esc")
	}
	m.Update(askMsg{err: errors.New(evil), presses: m.presses})
	check("error")
}

func TestWideCharactersCountTwoCells(t *testing.T) {
	s := busyPool()
	s.queues[0].Name = strings.Repeat("队列", 30)
	s.failures = []failures.Group{failed("错误", strings.Repeat("数据库连接失败", 20), 2)}
	m := newTestModel(t, 80, 24)
	m.get(s)
	m.shows("队列", "数据库") // lines checks the width
}

func TestRightToLeftTextIsIsolated(t *testing.T) {
	m := newTestModel(t, 80, 24)
	m.get(queuesOf("שלום"))
	m.shows("\u2068  שלום\u2069")
}

func TestOnlyAPaletteColours(t *testing.T) {
	m := newTestModel(t, 80, 24)
	m.get(busyPool())
	if strings.Contains(m.picture(), "\x1b") {
		t.Error("there are colours without a palette")
	}
	m.palette = true
	if !strings.Contains(m.picture(), "\x1b[7m") {
		t.Error("the chosen row is not inverted")
	}
	m.lines()
}

func TestEmptyPoolIsShown(t *testing.T) {
	m := newTestModel(t, 80, 24)
	m.shows("waiting for Redis", "q quit")
	for _, key := range strings.Fields("enter p s t d o O j k G z tab 3 pgdown / x enter esc") {
		if m.press(key); m.asked != nil || m.done != nil {
			t.Errorf("%s does something before the first read", key)
		}
	}
	m.press("1", "esc")
	m.get(snapshot{complete: true, all: true})
	m.shows("(whole pool)", "RUNNING", "REPLICA", "none", "live: scheduled 0")
	m.press("esc")
	for _, key := range []string{"2", "3", "4", "5"} {
		m.press(key)
		for _, act := range strings.Fields("p s t d enter o O j k") {
			if m.press(act); m.asked != nil || m.done != nil || len(m.pages) > 0 {
				t.Errorf("%s does something in the empty table %s", act, key)
			}
			m.press(key)
		}
	}
}

func TestAThousandQueuesAreShown(t *testing.T) {
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprint("q", i))
	}
	s := queuesOf(names...)
	m := newTestModel(t, 80, 24)
	m.get(s)
	m.shows("QUEUE↑ (9")
	m.press("z", "G")
	if m.marked() != "q999" {
		t.Errorf("it is on %s", m.marked())
	}
	m.press("pgup")
	if m.marked() != "q989" {
		t.Errorf("it is on %s", m.marked())
	}
	m.press("/", "q", "9", "9", "enter")
	if got := m.column("QUEUE"); len(got) != 12 || got[1] != "q99" || got[2] != "q990" {
		t.Errorf("queues %v", got)
	}
}

func TestPicturesOfAnOutageSaySo(t *testing.T) {
	m := newTestModel(t, 80, 24)
	m.get(busyPool())
	m.seen = m.seen.Add(-time.Minute)
	m.Update(readMsg{err: errors.New("dial tcp 127.0.0.1:6379: connection refused")})
	m.shows("as it was 1m0s ago", "connection refused", "render-1")
	m.reading = true
	m.get(busyPool())
	if picture := strings.Join(m.lines(), "\n"); strings.Contains(picture, "as it was") || strings.Contains(picture, "refused") {
		t.Errorf("the outage is still shown:\n%s", picture)
	}
}

func TestCountsFitTheNarrowestTerminal(t *testing.T) {
	const many = 123_456_789
	m := newTestModel(t, 80, 24)
	m.now.Stats = pool.Stats{Scheduled: many, Waiting: many, Running: many, Retried: many, Enqueued: many, LeasesLost: many, Ended: map[pool.State]int64{}}
	for _, s := range pool.EndedStates() {
		m.now.Stats.Ended[s] = many
	}
	for i, line := range m.counts() {
		if end := []string{"retried 123M", "leases lost 123M"}[i]; len(line) > 80 || !strings.HasSuffix(line, end) {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	for n, want := range map[int64]string{0: "0", 9999: "9999", 10_000: "10k", 999_999: "999k", 1_250_000: "1.2M", 45_000_000: "45M"} {
		if got := compact(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestPageScrollsAndStaysAtItsEnd(t *testing.T) {
	m := newTestModel(t, 80, 24)
	m.get(busyPool())
	m.press("2", "enter")
	show := func(n int, tasks ...*task.Task) {
		c := content{rows: taskRows(tasks, &m.now)}
		for i := range n {
			c.lines = append(c.lines, fmt.Sprintf("line %d of the log", i))
		}
		m.Update(readMsg{snapshot: m.now, page: m.page(), content: c})
		m.reading = true
	}
	from := func(want string) {
		t.Helper()
		if got := m.lines()[linesAbove]; got != want {
			t.Errorf("the page begins with %q, want %q", got, want)
		}
	}
	show(30)
	from("line 0 of the log")
	m.press("down", "down")
	from("line 2 of the log")
	show(31)
	from("line 2 of the log")
	m.press("G")
	from("line 13 of the log")
	show(40) // a log that grows is followed
	from("line 22 of the log")
	m.press("up")
	show(50)
	from("line 21 of the log")
	m.press("g", "pgdown")
	from("line 10 of the log")

	// Below a long text, tasks come into sight before one of them is chosen.
	show(30, busyPool().Running...)
	m.press("g", "enter")
	if len(m.pages) != 1 {
		t.Error("a task out of sight is opened")
	}
	for m.marked() == "" && m.page().offset < 30 {
		m.press("down")
	}
	m.press("down")
	if m.marked() != "render-2" {
		t.Errorf("it is on %q", m.marked())
	}
	m.press("enter")
	if len(m.pages) != 2 || m.page().of != taskSubject("render-2") {
		t.Errorf("pages %v", m.pages)
	}
	m.press("esc", "esc")
	m.shows("q quit")
}
