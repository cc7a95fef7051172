package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/internal/record"
)

func TestRatesAreSetShownAndRemoved(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x", "--group", "acme")
	if a := u.run("rate", "ls"); a.code != 0 || !strings.Contains(a.out+a.err, "has no rates") {
		t.Errorf("got %+v", a)
	}
	for args, want := range map[string]string{
		"rate set default 100/s burst 10": "rate of queue default: 100/s burst 10\n",
		"rate set --group acme 20/h":      "rate of group acme: 20/h burst 1\n",
		"rate set --groups 5/m":           "rate of each group without its own: 5/m burst 1\n",
	} {
		if out := u.must(strings.Fields(args)...); out != want {
			t.Errorf("%s: got %q", args, out)
		}
	}
	want := []record.Rate{
		{Scope: "queue", Name: "default", Rate: "100/s burst 10"},
		{Scope: "groups", Rate: "5/m burst 1"},
		{Scope: "group", Name: "acme", Rate: "20/h burst 1", Own: true},
	}
	shown := func(args ...string) []record.Rate {
		t.Helper()
		return decodeLines[record.Rate](t, u.must(append([]string{"rate", "ls", "--json"}, args...)...))
	}
	if diff := cmp.Diff(want, shown()); diff != "" {
		t.Error(diff)
	}
	for i, args := range []string{"default", "--groups", "--group acme"} {
		if diff := cmp.Diff(want[i:i+1], shown(strings.Fields(args)...)); diff != "" {
			t.Error(args, diff)
		}
	}
	u.must("rate", "set", "--group", "acme", "none")
	if got := shown("--group", "acme"); got[0].Rate != "none" || !got[0].Own {
		t.Errorf("an exempt group has %+v", got)
	}
	u.must("rate", "rm", "--group", "acme")
	if got := shown("--group", "acme"); got[0].Rate != "5/m burst 1" || got[0].Own {
		t.Errorf("a group without its own rate has %+v", got)
	}
	if out := u.must("rate", "ls", "--group", "acme"); !strings.Contains(out, "5/m burst 1 (default)") {
		t.Errorf("got %s", out)
	}
	if diff := cmp.Diff(want[:2], shown()); diff != "" {
		t.Error(diff)
	}
	if out := u.must("rate", "rm", "default"); out != "rate of queue default: none\n" {
		t.Errorf("got %q", out)
	}
	if got := shown("default"); got[0].Rate != "none" {
		t.Errorf("got %+v", got)
	}
}

func TestInvalidRatesAreRefused(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for args, want := range map[string]string{
		"rate set 100/s":                       "RATE is missing",
		"rate set default":                     "RATE is missing",
		"rate set default 100":                 "the rate ",
		"rate set default 100/d":               "the rate ",
		"rate set default 0/s":                 "the rate ",
		"rate set default 5/s burst 0":         "the rate ",
		"rate set --group acme --groups 100/s": "--group",
		"rate rm":                              "name one queue, --group NAME or --groups",
		"rate rm default more":                 "name one queue, --group NAME or --groups",
		"rate ls default more":                 "set changes a rate",
		"rate default 100/s":                   "default",
		"aging default 30":                     "needs a unit",
		"aging default 48h":                    "from 1ms to 24h0m0s",
		"aging default 0s":                     "the step ",
	} {
		if a := u.run(strings.Fields(args)...); a.code != 2 || !strings.Contains(a.err, want) {
			t.Errorf("%s: got %+v, want code 2 and %q", args, a, want)
		}
	}
	if out := u.run("rate", "ls", "nosuch"); out.code != 1 || !strings.Contains(out.err, "the pool has no queue nosuch") {
		t.Errorf("got %+v", out)
	}
}

func TestAgingIsSetWhileNoTaskWaitsAndShown(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	if a := u.run("aging", "default"); a.code != 1 || !strings.Contains(a.err, "the pool has no queue default") {
		t.Errorf("got %+v", a)
	}
	if out := u.must("aging", "default", "30s"); out != "aging of queue default: 30s per priority\n" {
		t.Errorf("got %q", out)
	}
	u.must("enqueue", "x", "--id", "a")
	if a := u.run("aging", "default", "1m"); a.code != 1 || !strings.Contains(a.err, "tasks wait or run in queue default") {
		t.Errorf("got %+v", a)
	}
	if diff := cmp.Diff([]record.Aging{{Queue: "default", AgingMS: 30000}}, decodeLines[record.Aging](t, u.must("aging", "default", "--json"))); diff != "" {
		t.Error(diff)
	}
	u.must("stop", "a")
	if out := u.must("aging", "default", "none"); out != "aging of queue default: none\n" {
		t.Errorf("got %q", out)
	}
}
