package top

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// A count that takes long must not put its question in the place of another.
func TestTopDropsTheAnswerToWhomeverHasGoneOn(t *testing.T) {
	m := &model{width: 80, height: 24}
	m.Update(askMsg{action: action{question: "stop 5 live tasks?"}})
	if m.asked == nil {
		t.Fatal("an answer in time is no question")
	}
	m.asked = nil
	late := askMsg{action: action{question: "stop 5000 live tasks?"}, presses: m.presses}
	m.Update(tea.KeyPressMsg{Code: tea.KeyTab})
	m.Update(late)
	if m.asked != nil {
		t.Errorf("it asks %q", m.asked.question)
	}
}

// Nothing but the driver's timeouts ends what a key has begun.
func TestWhatTopDoesEndsWhereRedisIsSilent(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // which nobody accepts from
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
	m := &model{ctx: t.Context()}
	told := m.perform(poolCalls{&client.Client{Pool: p}}.pause("", true))()
	if done, ok := told.(doneMsg); !ok || !errors.Is(done.err, os.ErrDeadlineExceeded) {
		t.Errorf("got %+v", told)
	}
}

func TestTopShowsTheChosenTableInAnyTerminal(t *testing.T) {
	for height := 5; height < 40; height++ {
		for s := range sections {
			m := &model{width: 80, height: height, section: s}
			lines := height - aboveSections - belowSections
			used, shown := -1, 0
			for _, room := range m.share(lines) {
				if room >= 0 {
					used += 2 + room
					shown++
				}
			}
			if shown > 0 && used > lines {
				t.Errorf("%d lines: %d are used", lines, used)
			}
			if lines >= 2 && m.share(lines)[s] < 1 || lines >= 8 && shown != int(sections) {
				t.Errorf("%d lines, table %d: %v", lines, s, m.share(lines))
			}
		}
	}
}

// What has come, gone or grown meanwhile must not be hit in the place of what was
// chosen.
func TestTopStaysOnWhatIsChosen(t *testing.T) {
	m := &model{width: 80, height: 24}
	show := func(queues []string, failures ...string) {
		var s snapshot
		for _, q := range queues {
			s.queues = append(s.queues, pool.QueueLoad{QueueInfo: pool.QueueInfo{Name: q}})
		}
		for _, f := range failures {
			s.failures = append(s.failures, failureGroup{key: f})
		}
		m.Update(lookMsg{snapshot: s})
	}
	press := func(keys ...tea.KeyPressMsg) {
		for _, k := range keys {
			m.Update(k)
		}
	}
	on := func(s section, want string) {
		t.Helper()
		if got := m.identity(s, m.line[s]); got != want {
			t.Errorf("it stands on %q, want %q", got, want)
		}
	}
	down, tab := tea.KeyPressMsg{Code: tea.KeyDown}, tea.KeyPressMsg{Code: tea.KeyTab}
	show([]string{"m", "n"}, "alpha", "beta")
	press(down)
	on(queueSection, "m")
	show([]string{"a", "b", "m", "n"}, "beta", "alpha")
	on(queueSection, "m")
	on(failureSection, "alpha")
	press(tab, tab, tea.KeyPressMsg{Code: tea.KeyUp})
	show(nil)
	on(queueSection, "")
	on(failureSection, "")
}

// What takes the place of what was chosen is chosen by nobody.
func TestTopChoosesNothingWhereTheChosenHasGone(t *testing.T) {
	m := &model{width: 80, height: 24}
	show := func(queues ...string) {
		var s snapshot
		for _, q := range queues {
			s.queues = append(s.queues, pool.QueueLoad{QueueInfo: pool.QueueInfo{Name: q}})
		}
		m.Update(lookMsg{snapshot: s})
	}
	press := func(key rune) tea.Cmd {
		_, cmd := m.Update(tea.KeyPressMsg{Code: key})
		return cmd
	}
	marked := func(want string) {
		t.Helper()
		got := ""
		for line := range strings.Lines(ansi.Strip(m.picture())) {
			if rest, ok := strings.CutPrefix(line, "▸ "); ok {
				got, _, _ = strings.Cut(rest, " ")
			}
		}
		if got != want {
			t.Errorf("%q is chosen, want %q", got, want)
		}
	}
	show("a", "b", "c")
	press(tea.KeyDown)
	press(tea.KeyDown)
	marked("b")
	show("a", "c")
	marked("")
	for _, key := range "prs" {
		if press(key) != nil || m.asked != nil || m.done != nil {
			t.Errorf("%c does something", key)
		}
	}
	show("a", "b", "c") // it is back
	marked("b")
	show("a", "c")
	press(tea.KeyDown)
	marked("c")
	if press('p') == nil {
		t.Error("p does nothing")
	}
	show("a")
	press(tea.KeyUp)
	marked("a")
	show()
	marked("")
	press(tea.KeyHome)
	marked("(whole")
}

func TestCountsFitTheNarrowestTerminal(t *testing.T) {
	const many = 123_456_789
	m := &model{width: 80, height: 24}
	m.now.stats = pool.Stats{Enqueued: many, LeasesLost: many, Ended: map[pool.State]int64{}}
	for _, s := range pool.EndedStates() {
		m.now.stats.Ended[s] = many
	}
	if line := m.counts(); len(line) > 80 || !strings.HasSuffix(line, "lost 123M") {
		t.Errorf("%d columns: %s", len(line), line)
	}
	for n, want := range map[int64]string{0: "0", 9999: "9999", 10_000: "10k", 999_999: "999k", 1_250_000: "1.2M", 45_000_000: "45M"} {
		if got := compact(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
