package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
	"github.com/ltsworker/ltsworker/trigger/calendar"
)

// DefaultTriggerSet is the name of the triggers of a file that sets no trigger_set.
const DefaultTriggerSet = "config"

// readTrigger reads one trigger of the section triggers.
func (c *Config) readTrigger(r *yamlReader) func(name, at string, k, v *yaml.Node) {
	return func(name, at string, k, v *yaml.Node) {
		t := pool.Trigger{Name: name}
		s := &t.Task
		r.section(v, at, append(r.taskFields(s),
			field{"template", r.text(&t.PayloadTemplate)},
			field{"cron", r.text(&t.Cron)},
			field{"every", r.duration(&t.Every, false)},
			field{"after", r.duration(&t.After, false)},
			field{"daily", r.daily(&t.Daily)},
			field{"at", r.moment(&t.At)},
			field{"zone", r.text(&t.Zone)},
			field{"calendar", r.text(&t.Calendar)},
			field{"except_calendar", r.text(&t.ExceptCalendar)},
			field{"start", r.moment(&t.Start)},
			field{"end", r.moment(&t.End)},
			field{"jitter", r.duration(&t.Jitter, false)},
			field{"misfire", r.text((*string)(&t.Misfire))},
			field{"misfire_max", r.number(&t.MisfireMax)},
			field{"catch_up", r.duration(&t.CatchUp, false)},
			field{"grace", r.duration(&t.Grace, false)},
			field{"overlap", r.text((*string)(&t.Overlap))},
			field{"paused", r.flag(&t.Paused)},
		)...)
		c.Triggers = append(c.Triggers, t)
	}
}

// taskFields are the fields of the task of a trigger, and of one that follows another.
func (r *yamlReader) taskFields(s *task.Spec) []field {
	return []field{
		{"kind", r.name(&s.Kind)},
		{"payload", func(n *yaml.Node, at string) {
			j := jsonReader{yamlReader: r, at: at, left: maxBodyValues}
			s.Payload, _ = json.Marshal(j.value(n, at))
		}},
		{"queue", r.name(&s.Queue)},
		{"priority", func(n *yaml.Node, at string) {
			v, ok := r.integer(n, at, "a whole number from -128 to 127")
			if ok && (v < math.MinInt8 || v > math.MaxInt8) {
				r.add(n, at, "must be from -128 to 127, not %d", v)
			}
			s.Priority = int8(v)
		}},
		{"group", r.name(&s.Group)},
		{"labels", r.labels(&s.Labels)},
		{"unique", r.text(&s.Unique)},
		{"delay", r.duration(&s.Delay, false)},
		{"timeout", r.duration(&s.Timeout, true)},
		{"ttl", r.duration(&s.TTL, false)},
		{"deadline", r.duration(&s.Deadline, false)},
		{"max_attempts", r.number(&s.MaxAttempts)},
		{"backoff", r.backoff(&s.Backoff)},
		{"retain", func(n *yaml.Node, at string) {
			retain := time.Duration(-1)
			if r.duration(&retain, true)(n, at); retain >= 0 {
				s.Retain = &retain
			}
		}},
		{"headers", func(n *yaml.Node, at string) {
			s.Headers = map[string]string{}
			r.each(n, at, func(name, at string, k, v *yaml.Node) {
				var value string
				r.text(&value)(v, at)
				s.Headers[name] = value
			})
		}},
		{"on_limit", func(n *yaml.Node, at string) {
			var onLimit string
			r.text(&onLimit)(n, at)
			if s.FailOnLimit = onLimit == "fail"; onLimit != "" && onLimit != "fail" && onLimit != "wait" {
				r.add(n, at, "must be wait or fail")
			}
		}},
		{"shards", func(n *yaml.Node, at string) {
			if n.Kind == yaml.SequenceNode {
				r.texts(&s.ShardParams, "[a, b]")(n, at)
			} else {
				r.number(&s.Shards)(n, at)
			}
		}},
		{"broadcast", r.flag(&s.Broadcast)},
		{"fail_fast", r.flag(&s.FailFast)},
		{"then", func(n *yaml.Node, at string) {
			s.Then = &task.Spec{}
			r.section(n, at, r.taskFields(s.Then)...)
		}},
	}
}

// daily reads an interval of each day.
func (r *yamlReader) daily(to **pool.Daily) func(*yaml.Node, string) {
	return func(n *yaml.Node, at string) {
		d := &pool.Daily{}
		*to = d
		var days []string
		r.section(n, at,
			field{"from", r.text(&d.From)},
			field{"to", r.text(&d.To)},
			field{"every", r.duration(&d.Every, false)},
			field{"days", r.texts(&days, "[mon, tue]")})
		for _, name := range days {
			day, err := trigger.ParseDay(name)
			if err != nil {
				r.add(n, joinKey(at, "days"), "%v", err)
				return
			}
			d.Days = append(d.Days, day)
		}
	}
}

// moment reads a time.
func (r *yamlReader) moment(to *time.Time) func(*yaml.Node, string) {
	return func(n *yaml.Node, at string) {
		t, err := time.Parse(time.RFC3339, n.Value)
		if err != nil {
			r.add(n, at, "must be a time such as 2026-01-31T18:00:00Z, not %s", describe(n))
		}
		*to = t
	}
}

// OpenCalendars reads the files of the calendars. The built-in ones need no file. Paths are
// relative to the directory of the config file.
func (c *Config) OpenCalendars() error {
	base, err := filepath.Abs(filepath.Dir(c.file))
	if err != nil {
		return fmt.Errorf("find the directory of the config file: %w", err)
	}
	c.Pool.Calendars = calendar.Builtin()
	for _, name := range slices.Sorted(maps.Keys(c.calendars)) {
		path := c.calendars[name]
		if !filepath.IsAbs(path) {
			path = filepath.Join(base, path)
		}
		days, err := calendar.Read(path)
		if err != nil {
			c.Refuse(joinKey("calendars", name), err.Error())
			continue
		}
		c.Pool.Calendars[name] = days
	}
	return nil
}

// CheckTriggers adds everything that is wrong with the triggers of the file.
func (c *Config) CheckTriggers(p *pool.Pool) {
	for _, t := range c.Triggers {
		_, err := p.Triggers().Preview(t, 1)
		var field *task.FieldError
		if err != nil && !errors.As(err, &field) {
			c.Refuse(joinKey("triggers", t.Name), err.Error())
			continue
		}
		at := joinKey("triggers", t.Name)
		c.refuseFields(err, func(field string) string {
			field = strings.TrimPrefix(field, "task.")
			if field == "payload_template" {
				field = "template"
			}
			return joinKey(at, strings.ReplaceAll(field, ".", keyGap))
		})
	}
}
