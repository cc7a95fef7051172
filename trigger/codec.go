package trigger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ltsworker/ltsworker/task"
)

// text is a definition as it is stored and as other programs write it: see
// docs/protocol.md.
type text struct {
	Name            string     `json:"name"`
	Cron            string     `json:"cron,omitempty"`
	EveryMS         int64      `json:"every_ms,omitempty"`
	AfterMS         int64      `json:"after_ms,omitempty"`
	Daily           *dailyText `json:"daily,omitempty"`
	AtMS            int64      `json:"at_ms,omitempty"`
	Zone            string     `json:"zone,omitempty"`
	Calendar        string     `json:"calendar,omitempty"`
	ExceptCalendar  string     `json:"except_calendar,omitempty"`
	StartMS         int64      `json:"start_ms,omitempty"`
	EndMS           int64      `json:"end_ms,omitempty"`
	JitterMS        int64      `json:"jitter_ms,omitempty"`
	Misfire         Misfire    `json:"misfire,omitempty"`
	MisfireMax      int        `json:"misfire_max,omitempty"`
	CatchUpMS       int64      `json:"catch_up_ms,omitempty"`
	GraceMS         int64      `json:"grace_ms,omitempty"`
	Overlap         Overlap    `json:"overlap,omitempty"`
	Paused          bool       `json:"paused,omitempty"`
	PayloadTemplate string     `json:"payload_template,omitempty"`
	Task            taskText   `json:"task"`
}

type dailyText struct {
	From    string   `json:"from"`
	To      string   `json:"to"`
	EveryMS int64    `json:"every_ms"`
	Days    []string `json:"days,omitempty"`
}

// taskText has the fields of an inbox entry, and payload_text for a payload that is not
// JSON or whose spaces matter.
type taskText struct {
	Kind        string            `json:"kind"`
	ID          string            `json:"id,omitempty"` // refused
	Payload     json.RawMessage   `json:"payload,omitempty"`
	PayloadText *string           `json:"payload_text,omitempty"`
	Queue       string            `json:"queue,omitempty"`
	Priority    int8              `json:"priority,omitempty"`
	Group       string            `json:"group,omitempty"`
	Labels      []string          `json:"labels,omitempty"`
	Unique      string            `json:"unique,omitempty"`
	DelayMS     int64             `json:"delay_ms,omitempty"`
	Hold        bool              `json:"hold,omitempty"`
	TimeoutMS   *unbounded        `json:"timeout_ms,omitempty"`
	TTLMS       int64             `json:"ttl_ms,omitempty"`
	DeadlineMS  int64             `json:"deadline_ms,omitempty"`
	MaxAttempts int               `json:"max_attempts,omitempty"`
	Backoff     string            `json:"backoff,omitempty"`
	RetainMS    *unbounded        `json:"retain_ms,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	OnLimit     string            `json:"on_limit,omitempty"`
	Shards      *shardsText       `json:"shards,omitempty"`
	Broadcast   bool              `json:"broadcast,omitempty"`
	FailFast    bool              `json:"fail_fast,omitempty"`
	Then        *taskText         `json:"then,omitempty"`
}

// shardsText is a number of shards, or their parameters.
type shardsText struct {
	n      int
	params []string
}

func (s shardsText) MarshalJSON() ([]byte, error) {
	if len(s.params) > 0 {
		return json.Marshal(s.params)
	}
	return json.Marshal(s.n)
}

func (s *shardsText) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, &s.params)
	}
	return json.Unmarshal(b, &s.n)
}

// unbounded is a number of milliseconds, or a word for task.Forever.
type unbounded struct {
	d    time.Duration
	word string // for task.Forever
}

func (u unbounded) MarshalJSON() ([]byte, error) {
	if u.d == task.Forever {
		return json.Marshal(u.word)
	}
	return json.Marshal(u.d.Milliseconds())
}

func (u *unbounded) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		u.d = task.Forever
		return json.Unmarshal(b, &u.word)
	}
	var ms int64
	err := json.Unmarshal(b, &ms)
	u.d = span(ms)
	return err
}

// in returns the duration of a field that has this word for task.Forever.
func (u *unbounded) in(field, word string, add func(field, format string, args ...any)) time.Duration {
	if u.word != "" && u.word != word {
		add(field, "must be a whole number or %q, not %q", word, task.Clip(u.word))
	}
	return u.d
}

// span returns a number of milliseconds as a duration, the longest one if it is too large.
func span(ms int64) time.Duration {
	if most := int64(task.MaxDuration/time.Millisecond) + 1; ms > most || ms < -most {
		ms = most
	}
	return time.Duration(ms) * time.Millisecond
}

func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func atMS(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Encode returns the definition as it is stored. Equal definitions have equal texts. It
// fails if the definition cannot be stored.
func Encode(d *Definition) ([]byte, error) {
	if err := d.Task.Check(); err != nil {
		return nil, err
	}
	return d.encode(), nil
}

func (d *Definition) encode() []byte {
	t := text{
		Name: d.Name, Cron: d.Cron, EveryMS: d.Every.Milliseconds(), AfterMS: d.After.Milliseconds(), AtMS: atMS(d.At), Zone: d.Zone,
		Calendar: d.Calendar, ExceptCalendar: d.ExceptCalendar, StartMS: atMS(d.Start), EndMS: atMS(d.End), JitterMS: d.Jitter.Milliseconds(),
		Misfire: d.Misfire, MisfireMax: d.MisfireMax, CatchUpMS: d.CatchUp.Milliseconds(), GraceMS: d.Grace.Milliseconds(),
		Overlap: d.Overlap, Paused: d.Paused, PayloadTemplate: d.PayloadTemplate, Task: encodeTask(&d.Task),
	}
	if d.Daily != nil {
		t.Daily = &dailyText{From: d.Daily.From, To: d.Daily.To, EveryMS: d.Daily.Every.Milliseconds()}
		for _, day := range d.Daily.Days {
			t.Daily.Days = append(t.Daily.Days, strings.ToLower(day.String()[:3]))
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(t) // a payload that is not JSON is a text, so this never fails
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func encodeTask(s *task.Spec) taskText {
	t := taskText{
		ID: s.ID, Kind: s.Kind, Queue: s.Queue, Priority: s.Priority, Group: s.Group, Labels: task.CanonicalLabels(s.Labels), Unique: s.Unique,
		DelayMS: s.Delay.Milliseconds(), Hold: s.Hold,
		TTLMS: s.TTL.Milliseconds(), DeadlineMS: s.Deadline.Milliseconds(), MaxAttempts: s.MaxAttempts, Backoff: s.Backoff.String(), Headers: s.Headers,
	}
	var compact bytes.Buffer
	switch {
	case len(s.Payload) == 0:
	case json.Compact(&compact, s.Payload) == nil && bytes.Equal(compact.Bytes(), s.Payload):
		t.Payload = s.Payload
	default:
		payload := string(s.Payload)
		t.PayloadText = &payload
	}
	if s.Timeout != 0 {
		t.TimeoutMS = &unbounded{s.Timeout, "none"}
	}
	if s.Retain != nil {
		t.RetainMS = &unbounded{*s.Retain, "forever"}
	}
	if s.FailOnLimit {
		t.OnLimit = "fail"
	}
	if s.ShardCount() > 0 {
		t.Shards = &shardsText{s.Shards, s.ShardParams}
	}
	t.Broadcast, t.FailFast = s.Broadcast, s.FailFast
	if s.Then != nil {
		next := encodeTask(s.Then)
		t.Then = &next
	}
	return t
}

// Decode reads a definition as Encode writes it. It does not check the values: see
// NewPlan.
func Decode(b []byte) (*Definition, error) {
	var t text
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&t); err != nil {
		return nil, decodeError(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("the definition has something after its JSON object")
	}
	d := &Definition{
		Name: t.Name, Cron: t.Cron, Every: span(t.EveryMS), After: span(t.AfterMS), At: at(t.AtMS), Zone: t.Zone, Calendar: t.Calendar,
		ExceptCalendar: t.ExceptCalendar, Start: at(t.StartMS), End: at(t.EndMS), Jitter: span(t.JitterMS), Misfire: t.Misfire, MisfireMax: t.MisfireMax,
		CatchUp: span(t.CatchUpMS), Grace: span(t.GraceMS), Overlap: t.Overlap, Paused: t.Paused, PayloadTemplate: t.PayloadTemplate,
	}
	var errs []error
	if t.Daily != nil {
		d.Daily = &Daily{From: t.Daily.From, To: t.Daily.To, Every: span(t.Daily.EveryMS)}
		for _, name := range t.Daily.Days {
			day, err := ParseDay(name)
			if err != nil {
				errs = append(errs, &task.FieldError{Field: "daily.days", Msg: err.Error()})
				continue
			}
			d.Daily.Days = append(d.Daily.Days, day)
		}
	}
	if err := t.Task.decode(&d.Task); err != nil {
		errs = append(errs, err)
	}
	return d, errors.Join(errs...)
}

func (t *taskText) decode(s *task.Spec) error { return t.decodeAs("task.", s) }

// decodeAs reads the fields of a task. prefix is put in front of the fields in errors.
func (t *taskText) decodeAs(prefix string, s *task.Spec) error {
	*s = task.Spec{
		ID: t.ID, Kind: t.Kind, Queue: t.Queue, Payload: t.Payload, Priority: t.Priority, Group: t.Group, Labels: t.Labels, Unique: t.Unique,
		Delay: span(t.DelayMS), Hold: t.Hold,
		TTL: span(t.TTLMS), Deadline: span(t.DeadlineMS), MaxAttempts: t.MaxAttempts, Headers: t.Headers, FailOnLimit: t.OnLimit == "fail",
	}
	var errs []error
	add := func(field, format string, args ...any) {
		errs = append(errs, &task.FieldError{Field: prefix + field, Msg: fmt.Sprintf(format, args...)})
	}
	if t.PayloadText != nil {
		if len(t.Payload) > 0 {
			add("payload_text", "and payload cannot both be set")
		}
		s.Payload = []byte(*t.PayloadText)
	}
	if t.TimeoutMS != nil {
		s.Timeout = t.TimeoutMS.in("timeout_ms", "none", add)
	}
	if t.RetainMS != nil {
		retain := t.RetainMS.in("retain_ms", "forever", add)
		s.Retain = &retain
	}
	if t.Backoff != "" {
		var err error
		if s.Backoff, err = task.ParseBackoff(t.Backoff); err != nil {
			add("backoff", "%v", err)
		}
	}
	if t.OnLimit != "" && t.OnLimit != "fail" && t.OnLimit != "wait" {
		add("on_limit", `must be "wait" or "fail"`)
	}
	if t.Shards != nil {
		if s.Shards, s.ShardParams = t.Shards.n, t.Shards.params; s.ShardCount() == 0 {
			add("shards", "must be from 1 to %d, or a list of parameters", task.MaxShards)
		}
	}
	s.Broadcast, s.FailFast = t.Broadcast, t.FailFast
	if t.Then != nil {
		s.Then = &task.Spec{}
		errs = append(errs, t.Then.decodeAs(prefix+"then.", s.Then))
	}
	return errors.Join(errs...)
}

// ParseDay reads the English name of a day of the week, or its first three letters.
func ParseDay(name string) (time.Weekday, error) {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if full := strings.ToLower(day.String()); strings.EqualFold(name, full) || strings.EqualFold(name, full[:3]) {
			return day, nil
		}
	}
	return 0, fmt.Errorf("must be days such as mon, not %q", task.Clip(name))
}

// decodeError says what is wrong with the text of a definition, and suggests a field for
// one that is unknown.
func decodeError(err error) error {
	if quoted, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name := strings.Trim(quoted, `"`)
		return &task.FieldError{Field: task.Clip(name), Msg: "is not a field of a trigger" + meant(name, fieldNames())}
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		if wrong.Field == "" {
			return errors.New("the definition must be a JSON object, not a JSON " + wrong.Value)
		}
		return &task.FieldError{Field: wrong.Field, Msg: "must be " + allowed(wrong)}
	}
	return fmt.Errorf("the definition is not valid JSON: %w", err)
}

// allowed says which JSON a field may have, and what it has.
func allowed(wrong *json.UnmarshalTypeError) string {
	want, has := "an object", "a JSON "+wrong.Value
	switch t := wrong.Type; t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int64:
		want = "a whole number"
		if number, ok := strings.CutPrefix(wrong.Value, "number "); ok {
			has = task.Clip(number)
			if !strings.ContainsAny(number, ".eE") {
				most := int64(1)<<(t.Bits()-1) - 1
				want = fmt.Sprintf("from %d to %d", -most-1, most)
			}
		}
	case reflect.String:
		want = "a string"
	case reflect.Bool:
		want = "true or false"
	case reflect.Slice:
		want = "an array"
	}
	return want + ", not " + has
}

// fieldNames returns the names that a definition may have, those of its task included.
func fieldNames() (names []string) {
	for _, t := range []reflect.Type{reflect.TypeFor[text](), reflect.TypeFor[dailyText](), reflect.TypeFor[taskText]()} {
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			names = append(names, name)
		}
	}
	return names
}

// DecodeEntry reads an entry of triggers:inbox: a definition, or {"name": …, "remove": true}
// for the removal of a trigger, of which def has only the name. It checks neither the values of
// a definition nor whether its schedule fires: see NewPlan. def is never nil.
func DecodeEntry(b []byte) (def *Definition, remove bool, err error) {
	if !utf8.Valid(b) {
		return &Definition{}, false, errors.New("the entry is not valid UTF-8")
	}
	var r struct {
		Name   string `json:"name"`
		Remove *bool  `json:"remove"`
	}
	if json.Unmarshal(b, &r) != nil || r.Remove == nil {
		if def, err = Decode(b); def == nil {
			def = &Definition{}
		}
		return def, false, err
	}
	def = &Definition{Name: r.Name}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return def, false, errors.New("an entry with remove has only the fields name and remove: " + decodeError(err).Error())
	}
	if !*r.Remove {
		return def, false, &task.FieldError{Field: "remove", Msg: "must be true, or left out to set the trigger"}
	}
	if err := task.CheckName(r.Name); err != nil {
		return def, false, &task.FieldError{Field: "name", Msg: err.Error()}
	}
	return def, true, nil
}
