package alert

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
)

// O6: a silence survives a restart, and its end is announced with what still fires.
func TestSilenceSurvivesARestartAndItsEndIsAnnounced(t *testing.T) {
	for _, ended := range []string{"", "ann"} {
		faketime.Test(t, func(t *testing.T) {
			f, c := newFakeStore(), &fakeChannel{}
			o := Options{Rules: []Rule{depth()}, Receivers: map[string]Receiver{"ops": {Channel: c}}}
			stop := start(t, f, o)
			f.waits("known", 50)
			pass(time.Minute)
			c.messages()
			s, err := AddSilence(t.Context(), f, Silence{Rule: "depth", By: "bob", Reason: "we move"}, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			pass(time.Minute)
			stop()
			start(t, f, o)
			f.waits("new", 50)
			f.waits("short", 50)
			pass(5 * time.Minute)
			f.waits("short", 0)
			pass(20 * time.Minute)
			if got := c.messages(); len(got) > 0 {
				t.Fatalf("while it is silent: %+v", got)
			}
			if ended != "" {
				if _, err := EndSilence(t.Context(), f, s.ID, ended); err != nil {
					t.Fatal(err)
				}
				if _, err := EndSilence(t.Context(), f, s.ID, ended); !errors.Is(err, ErrNoSilence) {
					t.Errorf("ended twice: %v", err)
				}
			}
			pass(time.Hour)
			got := c.messages()
			if len(got) != 1 || len(got[0].Notices) != 3 {
				t.Fatalf("at the end: %+v", got)
			}
			n := got[0].Notices[0]
			if n.State != StateUnsilenced || n.Firing != 2 || n.Recovered != 1 || n.Silence == nil || n.Silence.Reason != "we move" || n.Silence.EndedBy != ended {
				t.Errorf("the end is %+v", n)
			}
			if text := n.Text(English); !strings.Contains(text, "2 alerts still fire") || !strings.Contains(text, "1 ended meanwhile") || !strings.Contains(text, "rule depth") {
				t.Error(text)
			}
			for _, n := range got[0].Notices[1:] {
				if n.State != StateFiring || n.Labels["queue"] == "short" {
					t.Errorf("still fires: %+v", n)
				}
			}
			if r, _ := f.ReadAlerts(t.Context()); len(r.Silences) > 0 {
				t.Errorf("left: %v", r.Silences)
			}
			f.waits("known", 0)
			f.waits("new", 0)
			pass(3 * time.Minute)
			if got := c.messages(); len(got) != 1 || got[0].Count(StateEnded) != 2 {
				t.Errorf("the recoveries: %+v", got)
			}
		})
	}
}

func TestSilenceKeepsBackOnlyWhatItMatches(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		start(t, f, Options{Rules: []Rule{depth()}, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		if _, err := AddSilence(t.Context(), f, Silence{Rule: "dep*", Queue: "mail.*"}, time.Hour); err != nil {
			t.Fatal(err)
		}
		f.waits("mail.out", 50)
		f.waits("video", 50)
		pass(2 * time.Minute)
		if n := one(t, c); n.Labels["queue"] != "video" {
			t.Errorf("%+v", n)
		}
		s, err := ReadState(t.Context(), f)
		if err != nil || len(s.Firing) != 2 || len(s.Silences) != 1 || len(s.Rules) != 1 || s.Owner == "" || len(s.Receivers) != 1 || s.Receivers[0].Sent != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
		for i := range s.Firing {
			if by := s.SilencedBy(&s.Firing[i]); (by != nil) != (s.Firing[i].Labels["queue"] == "mail.out") {
				t.Errorf("%+v is silenced by %v", s.Firing[i], by)
			}
		}
	})
}

func TestSilenceIsChecked(t *testing.T) {
	for _, c := range []struct {
		s      Silence
		length time.Duration
		want   string
	}{
		{Silence{}, time.Hour, "rule or queue"},
		{Silence{Rule: "a b"}, time.Hour, "rule must"},
		{Silence{Queue: "q"}, time.Second, "for must be from 1m to 90d"},
		{Silence{Queue: "q"}, 91 * 24 * time.Hour, "for must be from 1m to 90d"},
		{Silence{Rule: "*"}, time.Hour, ""},
	} {
		err := c.s.Check(c.length)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", c.s, err, c.want)
		}
	}
}
