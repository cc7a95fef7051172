package alert

import (
	"crypto/rand"
	"encoding/json"
	"net/url"
	"strings"
	"time"
)

// NoticeState says what a notice is about.
type NoticeState string

// The states of notices.
const (
	StateFiring     NoticeState = "firing"     // an alert fires
	StateEnded      NoticeState = "ended"      // an alert has ended
	StateUnsilenced NoticeState = "unsilenced" // a silence has ended
	StateTest       NoticeState = "test"       // a person has asked for a message
)

// Notice is one fact in a message: an alert that fires or ends, or the end of a silence.
type Notice struct {
	State     NoticeState       `json:"state"`
	Rule      string            `json:"rule,omitempty"`
	Severity  Severity          `json:"severity,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	When      Condition         `json:"when,omitempty"`
	Value     float64           `json:"value"`
	Threshold float64           `json:"threshold"`
	Window    time.Duration     `json:"window,omitempty"`
	Since     time.Time         `json:"since,omitzero"`
	Ended     time.Time         `json:"ended,omitzero"`
	Again     bool              `json:"again,omitempty"`   // it was announced before
	Resend    bool              `json:"resend,omitempty"`  // it only repeats the alert for a Resender
	Removed   bool              `json:"removed,omitempty"` // the alert has ended because its rule was removed
	Changed   bool              `json:"changed,omitempty"` // the alert has ended because its rule was changed
	At        time.Time         `json:"at,omitzero"`       // when the notice was made
	Detail    string            `json:"detail,omitempty"`

	// Of a silence that has ended: what it was for, how many of its alerts still fire, and how many
	// have ended meanwhile.
	Silence   *Silence `json:"silence,omitempty"`
	Firing    int      `json:"firing,omitempty"`
	Recovered int      `json:"recovered,omitempty"`

	By string `json:"by,omitempty"` // who has asked for a test
}

func (a *Alert) notice(state NoticeState, again bool) Notice {
	return Notice{State: state, Rule: a.Rule, Severity: a.Severity, Labels: a.Labels, When: a.When, Value: a.Value, Threshold: a.Threshold, Window: a.Window,
		Since: a.Since, Again: again, Detail: a.Detail}
}

// countField names the counter that stands for notices of this kind that are not kept.
func (n *Notice) countField() string { return string(n.State) + "|" + n.Rule }

// TestNotice returns the text of a notice for Board.PushNotice.
func TestNotice(by string) string { return encode(Notice{State: StateTest, By: by}) }

// More is a number of notices that a message leaves out.
type More struct {
	Rule  string      `json:"rule,omitempty"`
	State NoticeState `json:"state"`
	Count int         `json:"count"`
}

// Message has the notices that a receiver gets at once.
type Message struct {
	ID   string    `json:"id"` // the same when it is sent again
	Pool string    `json:"pool"`
	At   time.Time `json:"at"` // when it was composed
	// Notices are the facts, the oldest first. More counts what the queue of the
	// receiver could not hold.
	Notices []Notice `json:"notices"`
	More    []More   `json:"more,omitempty"`
	// Lang is the language of the receiver.
	Lang Lang `json:"-"`
	// Console is the URL of the page of alerts in the console; "" for none.
	Console string `json:"-"`
}

// Count returns how many notices of a state there are, with those that are only counted.
func (m *Message) Count(state NoticeState) (n int) {
	for i := range m.Notices {
		if m.Notices[i].State == state {
			n++
		}
	}
	for _, more := range m.More {
		if more.State == state {
			n += more.Count
		}
	}
	return n
}

// decodeNotices reads notices. It leaves out what another program has written.
func decodeNotices(texts []string) (all []Notice) {
	for _, text := range texts {
		var n Notice
		if json.Unmarshal([]byte(text), &n) == nil {
			all = append(all, n)
		}
	}
	return all
}

// decodeMore reads what was counted in place of notices.
func decodeMore(counts map[string]int64) (all []More) {
	for field, n := range counts {
		state, rule, _ := strings.Cut(field, "|")
		all = append(all, More{Rule: rule, State: NoticeState(state), Count: int(n)})
	}
	return all
}

// linkOf returns the page of alerts of a pool. console is that of the Options.
func linkOf(console, pool string) string {
	return strings.ReplaceAll(console, "{pool}", url.PathEscape(pool))
}

// TestMessage returns a message whose text says that it is a test. console is as in Options.
func TestMessage(pool string, r Receiver, console, by string) *Message {
	return &Message{ID: newMessageID(), Pool: pool, At: time.Now(), Notices: []Notice{{State: StateTest, By: by}}, Lang: r.lang(), Console: linkOf(console, pool)}
}

func newMessageID() string { return "alert_" + strings.ToLower(rand.Text()[:20]) }
