package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

const withTriggers = `queues: {default: }
handlers: {k: {command: [cat]}}
calendars: {company: company.json}
trigger_set: media
triggers:
  night:
    kind: k
    payload: {b: [1, x], a: true}
    cron: "0 3 * * *"
    zone: Europe/Berlin
    calendar: company
    misfire: all
    misfire_max: 3
    overlap: queue
    priority: -3
    retain: none
    headers: {h: v}
  sweep: {kind: k, daily: {from: "09:00", to: "17:00", every: 10m, days: [mon]}, template: "{{planned}}", at_limit: x}
`

func TestTriggersOfTheFile(t *testing.T) {
	c := parse("f.yaml", []byte(strings.Replace(withTriggers, ", at_limit: x", "", 1)))
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	forever := pool.Forever
	want := []pool.Trigger{
		{Name: "night", Cron: "0 3 * * *", Zone: "Europe/Berlin", Calendar: "company", Misfire: pool.MisfireAll, MisfireMax: 3, Overlap: pool.OverlapQueue,
			Task: pool.Spec{Kind: "k", Payload: []byte(`{"a":true,"b":[1,"x"]}`), Priority: -3, Retain: &forever, Headers: map[string]string{"h": "v"}}},
		{Name: "sweep", Daily: &pool.Daily{From: "09:00", To: "17:00", Every: 10 * time.Minute, Days: []time.Weekday{time.Monday}},
			PayloadTemplate: "{{planned}}", Task: pool.Spec{Kind: "k"}},
	}
	if diff := cmp.Diff(want, c.Triggers); diff != "" {
		t.Error(diff)
	}
	if c.TriggerSet != "media" {
		t.Errorf("the set is %q", c.TriggerSet)
	}
}

func TestWrongTriggersOfTheFileAreNamedWithTheirLines(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f.yaml")
	text := strings.NewReplacer("0 3 * * *", "0 0 30 2 *", "zone: Europe/Berlin", "zone: Mars", "overlap: queue", "overlap: que", "{{planned}}", "{{plan}}").Replace(withTriggers)
	for name, content := range map[string]string{"f.yaml": text, "company.json": `{"add":["2027-02-30"]}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.OpenCalendars(); err != nil {
		t.Fatal(err)
	}
	p, err := pool.New(redisstore.New(nil, "p"), pool.Config{Calendars: c.Pool.Calendars})
	if err != nil {
		t.Fatal(err)
	}
	c.CheckTriggers(p)
	err = c.Err()
	for _, want := range []string{
		"f.yaml:3: calendars.company ", "2027-02-30", "f.yaml:9: triggers.night.cron never matches a date", "f.yaml:10: triggers.night.zone names no time zone",
		"f.yaml:14: triggers.night.overlap must be one of allow, skip, queue, stop", "f.yaml:18: triggers.sweep.template has no field", "f.yaml:18: triggers.sweep.at_limit is not a key here",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
}
