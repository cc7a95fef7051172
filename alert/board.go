package alert

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// State is the state of the alerts of a pool for a page or a command.
type State struct {
	Owner     string       // the process that runs the rules; "" if none does
	At        time.Time    // of the last evaluation; zero for never
	Now       time.Time    // by the store's clock
	Rules     []Rule       // of the config of the last process that ran them
	Stored    []StoredRule // as they are now, by name
	Firing    []Alert      // the one that has fired for longest first
	Pending   []Alert
	Silences  []Silence       // that are active
	Receivers []ReceiverState // of the last process that ran the rules, by name
}

// ReceiverState says whether a receiver takes messages.
type ReceiverState struct {
	Name   string
	Kind   string // of the channel, such as dingtalk
	Sent   int64
	Failed int64
	Last   time.Time // when a message was sent; zero for never
	Since  time.Time // when tries began to fail; zero if they work
	Error  string
	Until  time.Time // no message is sent before, because the service has asked for a pause; zero or past for none
}

// ReadState reads the alerts of a pool.
func ReadState(ctx context.Context, b Board) (State, error) {
	records, err := b.ReadAlerts(ctx)
	if err != nil {
		return State{}, err
	}
	s := State{Now: records.Now}
	// An owner has a random part at its end.
	if i := strings.LastIndexByte(records.Owner, ':'); i >= 0 {
		s.Owner = records.Owner[:i]
	}
	s.At, _ = time.Parse(time.RFC3339, records.Fields["at"])
	s.Rules, _ = readEvaluated(records.Fields["rules"])
	for field, text := range records.Fields {
		if strings.HasPrefix(field, "a:") {
			var a Alert
			if json.Unmarshal([]byte(text), &a) != nil {
				continue
			}
			if a.Firing() {
				s.Firing = append(s.Firing, a)
			} else {
				s.Pending = append(s.Pending, a)
			}
		}
	}
	var kinds map[string]string
	_ = json.Unmarshal([]byte(records.Fields["receivers"]), &kinds) // none if damaged
	s.Stored = mergeRules(records.Rules, s.Rules, receiverNames(kinds))
	for name, kind := range kinds {
		var h health
		_ = json.Unmarshal([]byte(records.Fields["r:"+name]), &h) // a receiver without messages has none
		s.Receivers = append(s.Receivers, ReceiverState{name, kind, h.Sent, h.Failed, h.Last, h.Since, h.Error, h.Until})
	}
	for _, silence := range readSilences(records.Silences) {
		if silence.Active(records.Now) {
			s.Silences = append(s.Silences, silence)
		}
	}
	byAge := func(a, b Alert) int {
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return strings.Compare(a.key(), b.key())
	}
	slices.SortFunc(s.Firing, byAge)
	slices.SortFunc(s.Pending, byAge)
	slices.SortFunc(s.Receivers, func(a, b ReceiverState) int { return strings.Compare(a.Name, b.Name) })
	return s, nil
}

// receiverNames returns the names of receivers, nil for none.
func receiverNames[T any](receivers map[string]T) []string {
	return slices.Sorted(maps.Keys(receivers))
}

// SilencedBy returns the active silence that suppresses messages about the alert, nil for none.
func (s *State) SilencedBy(a *Alert) *Silence {
	for i := range s.Silences {
		if s.Silences[i].silences(a) {
			return &s.Silences[i]
		}
	}
	return nil
}
