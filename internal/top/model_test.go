package top

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/failures"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// testModel is a model without a pool: it shows the snapshots that it gets.
type testModel struct {
	*model
	t *testing.T
}

func newTestModel(t *testing.T, width, height int) *testModel {
	m := &testModel{newModel(t.Context(), actions{}, nil, time.Second, "p at localhost:6379", false), t}
	m.reading = true // no read is begun
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	return m
}

// get gives the model a snapshot.
func (m *testModel) get(s snapshot) {
	if s.At.IsZero() {
		s.At = time.Now()
	}
	m.Update(readMsg{snapshot: s})
	m.reading = true
}

// press presses keys: a letter each, or the names of keys.
func (m *testModel) press(keys ...string) (cmd tea.Cmd) {
	for _, key := range keys {
		cmd = press(m.model, key)
	}
	return cmd
}

func press(m *model, key string) tea.Cmd {
	codes := map[string]rune{"down": tea.KeyDown, "up": tea.KeyUp, "tab": tea.KeyTab, "home": tea.KeyHome, "end": tea.KeyEnd, "enter": tea.KeyEnter,
		"esc": tea.KeyEscape, "backspace": tea.KeyBackspace, "pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp}
	if code, ok := codes[key]; ok {
		_, cmd := m.Update(tea.KeyPressMsg{Code: code})
		return cmd
	}
	r := []rune(key)[0]
	_, cmd := m.Update(tea.KeyPressMsg{Code: r, Text: key})
	return cmd
}

// lines returns the picture. It checks that it fits the terminal.
func (m *testModel) lines() []string {
	m.t.Helper()
	return fitting(m.t, m.model)
}

func fitting(t *testing.T, m *model) []string {
	t.Helper()
	lines := strings.Split(ansi.Strip(m.picture()), "\n")
	if len(lines) != m.height {
		t.Errorf("%d lines in a terminal of %d", len(lines), m.height)
	}
	for i, l := range lines {
		if w := ansi.StringWidth(l); w > m.width {
			t.Errorf("line %d has %d of %d columns: %s", i, w, m.width, l)
		}
	}
	return lines
}

// shows fails unless the picture has all texts.
func (m *testModel) shows(texts ...string) {
	m.t.Helper()
	picture := strings.Join(m.lines(), "\n")
	for _, text := range texts {
		if !strings.Contains(picture, text) {
			m.t.Errorf("%q is not shown:\n%s", text, picture)
		}
	}
}

// marked returns the first word of the chosen row, "" for none.
func (m *testModel) marked() string {
	m.t.Helper()
	for _, line := range m.lines() {
		if rest, ok := strings.CutPrefix(line, "▸ "); ok {
			word, _, _ := strings.Cut(rest, "  ")
			return word
		}
	}
	return ""
}

// column returns the first words of the rows under a header.
func (m *testModel) column(header string) (words []string) {
	m.t.Helper()
	in := false
	for _, line := range m.lines() {
		switch {
		case strings.HasPrefix(line, header):
			in = true
		case !strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "▸ "):
			in = false
		case in:
			word, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "▸")), "  ")
			words = append(words, word)
		}
	}
	return words
}

// queuesOf returns a snapshot with these queues.
func queuesOf(names ...string) (s snapshot) {
	for _, q := range names {
		s.queues = append(s.queues, pool.QueueLoad{QueueInfo: pool.QueueInfo{Name: q}})
	}
	return s
}

// failed returns a group of failed tasks.
func failed(kind, text string, n int) failures.Group {
	tasks := make([]*task.Task, n)
	for i := range tasks {
		tasks[i] = &task.Task{Spec: task.Spec{ID: fmt.Sprint(kind, i), Kind: kind, Queue: "q"}, State: task.Failed, Code: task.CodeError, Error: text, EndedAt: time.Now()}
	}
	return failures.Groups(tasks)[0]
}

// A count that takes long must not put its question in the place of another.
func TestTopDropsTheAnswerAfterAnotherKey(t *testing.T) {
	m := newTestModel(t, 80, 24)
	m.Update(askMsg{action: action{question: "stop 5 live tasks?"}})
	m.shows("stop 5 live tasks? [y/N]")
	m.press("n")
	m.shows("nothing was changed")
	late := askMsg{action: action{question: "stop 5000 live tasks?"}, presses: m.presses}
	m.press("tab")
	m.Update(late)
	if m.asked != nil {
		t.Errorf("it asks %q", m.asked.question)
	}
}

// Only the driver's timeouts end what a key has begun.
func TestWhatTopDoesEndsWhereRedisIsSilent(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts no connection
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	at, err := redisurl.Parse("redis://"+silent.Addr().String()+"?read_timeout=20ms&max_retries=-1", false)
	if err != nil {
		t.Fatal(err)
	}
	rdb := at.Client()
	defer rdb.Close()
	p, err := pool.New(redisstore.New(rdb, "default"), pool.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	m := newTestModel(t, 80, 24)
	msg := m.perform(actions{&client.Client{Pool: p}}.pause("", true))()
	if done, ok := msg.(doneMsg); !ok || !errors.Is(done.err, os.ErrDeadlineExceeded) {
		t.Errorf("got %+v", msg)
	}
}

// A row that came, went or grew meanwhile must not get the key of the chosen one.
func TestTopStaysOnWhatIsChosen(t *testing.T) {
	m := newTestModel(t, 80, 24)
	show := func(s snapshot, failures ...string) {
		for i, text := range failures {
			s.failures = append(s.failures, failed("k", text, 9-i))
		}
		m.get(s)
	}
	on := func(table int, want string) {
		t.Helper()
		got := ""
		if r := m.tables[table].current(); r != nil {
			got = r.id
		}
		if got != want {
			t.Errorf("%q is chosen, want %q", got, want)
		}
	}
	show(queuesOf("m", "n"), "alpha", "beta")
	m.press("4", "down", "1", "down")
	on(queueTable, "m")
	show(queuesOf("a", "b", "m", "n"), "beta", "alpha")
	on(queueTable, "m")
	on(failureTable, "k beta")
	m.press("o") // by waiting tasks, which moves all
	on(queueTable, "m")
	show(snapshot{})
	on(queueTable, "")
	on(failureTable, "")
}

func TestTableInWhichNoRowWasChosenShowsTheFirst(t *testing.T) {
	m := newTestModel(t, 80, 24)
	on := func(want string) {
		t.Helper()
		if r := m.tables[groupTable].current(); r == nil || r.id != want {
			t.Errorf("%+v is chosen, want %s", r, want)
		}
	}
	show := func(blocked string) {
		m.get(snapshot{groups: []pool.GroupInfo{{Name: "a"}, {Name: blocked, Limit: 2, Running: 2, Held: 5}}})
	}
	show("b")
	on("b")
	show("c")
	on("c")
	m.press("5")
	show("d")
	if r := m.tables[groupTable].current(); r != nil {
		t.Errorf("%s is chosen in the place of c", r.id)
	}
	m.press("1")
	show("d")
	on("d")
	m.press("5", "down", "1")
	show("e")
	on("a")
}

func TestTopChoosesNoRowInPlaceOfOneThatHasGone(t *testing.T) {
	m := newTestModel(t, 80, 24)
	marked := func(want string) {
		t.Helper()
		if got := m.marked(); got != want {
			t.Errorf("%q is chosen, want %q", got, want)
		}
	}
	m.get(queuesOf("a", "b", "c"))
	m.press("down", "down")
	marked("b")
	m.get(queuesOf("a", "c"))
	marked("")
	for _, key := range []string{"p", "r", "s", "enter"} {
		if m.press(key) != nil || m.asked != nil || m.done != nil || len(m.pages) > 0 {
			t.Errorf("%s does something", key)
		}
	}
	m.press("p")
	m.shows("the chosen line no longer exists")
	m.get(queuesOf("a", "b", "c")) // it is back
	marked("b")
	m.get(queuesOf("a", "c"))
	m.press("1") // chooses the row in its place
	marked("c")
	m.press("up")
	m.get(queuesOf("a", "b", "c"))
	m.press("down")
	marked("b")
	m.get(queuesOf("a", "c"))
	m.press("down")
	marked("c")
	if m.press("p") == nil {
		t.Error("p does nothing")
	}
	m.get(queuesOf("a"))
	m.press("up")
	marked("a")
	m.get(snapshot{})
	marked("")
	m.press("home")
	marked("(whole pool)")
}

func TestKeysGoThroughTheTables(t *testing.T) {
	m := newTestModel(t, 80, 24)
	s := queuesOf("q1", "q2")
	s.failures = []failures.Group{failed("k", "why", 2)}
	s.groups = []pool.GroupInfo{{Name: "g", Limit: 2, Running: 2, Held: 5}}
	m.get(s)
	for _, step := range []struct{ keys, want string }{
		{"j j", "q2"}, {"j", "2"}, {"j", "g"}, {"j", "g"}, {"k k", "q2"}, {"g", "(whole pool)"}, {"G", "q2"}, {"pgup", "(whole pool)"},
		{"tab tab tab", "2"}, {"5", "g"}, {"2", ""}, {"1 z", "(whole pool)"},
	} {
		m.press(strings.Fields(step.keys)...)
		if got := m.marked(); got != step.want {
			t.Errorf("after %s it is on %q, want %q", step.keys, got, step.want)
		}
	}
	if picture := strings.Join(m.lines(), "\n"); strings.Contains(picture, "REPLICA") {
		t.Errorf("other tables are shown:\n%s", picture)
	}
	m.press("esc")
	m.shows("REPLICA", "GROUP")
}

func TestEveryKeyIsInTheHelp(t *testing.T) {
	m := newTestModel(t, 80, 24)
	m.press("?")
	m.shows("go to a line", "drain the replica", "which has 4 slots", "any key goes back")
	m.press("x")
	m.shows("q quit")
	for _, line := range helpLines() {
		if ansi.StringWidth(line) > 80 {
			t.Errorf("too wide: %s", line)
		}
	}
	keys := strings.Fields(strings.ReplaceAll(help, ",", ""))
	for _, key := range strings.Fields("q ? / Esc Enter < > O z Tab k j g G Home End PgUp PgDn p r s t d") {
		if !slices.Contains(keys, key) {
			t.Errorf("%s is not in the help", key)
		}
	}
}

func TestOnlyTheKeyForItQuits(t *testing.T) {
	m := newTestModel(t, 80, 24)
	m.get(queuesOf("q"))
	for _, key := range []string{"esc", "esc", "x", "enter", "esc", "/", "q", "enter", "?", "q"} {
		if cmd := m.press(key); cmd != nil {
			if _, quits := cmd().(tea.QuitMsg); quits {
				t.Errorf("%s quits", key)
			}
		}
	}
	if cmd := m.press("q"); cmd == nil || cmd() != tea.Quit() {
		t.Error("q does not quit")
	}
}
