package console

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

// triggerEditPage is the form of a trigger, and what it would do.
type triggerEditPage struct {
	*enqueuePage
	Name   string // of the trigger that is changed; "" for a new one
	SetAt  string // when its definition was last changed, as the form has it
	Origin string // of a trigger that a config file sets
	Parts  []inputs
	Others []string // errors of no field of the form
	Wrong  bool
	Asked  bool        // for the next times
	Times  []time.Time // in the zone of the trigger
}

// schedules are the fields of which a definition has one.
var schedules = []string{"cron", "every", "after", "daily", "at"}

// triggerForm shows the form of a new trigger, or of the one that is named.
func (q *request) triggerForm() error {
	values := url.Values{"schedule": {"cron"}}
	t, err := q.editedTrigger(q.FormValue("name"))
	if err != nil {
		return err
	}
	if t != nil {
		values = q.definitionValues(&t.Trigger, true)
	}
	return q.showTriggerForm(http.StatusOK, t, newForm("", values), nil)
}

// editedTrigger reads a trigger that a form names, nil for a new one.
func (q *request) editedTrigger(name string) (*pool.TriggerInfo, error) {
	if name == "" {
		return nil, nil
	}
	t, err := q.site.pool.Triggers().Get(q.Context(), name)
	if errors.Is(err, pool.ErrNoTrigger) {
		return nil, notFound("trigger", name)
	}
	return t, err
}

// definitionValues returns the fields of the form that make a definition, without secrets if they
// are shown.
func (q *request) definitionValues(d *trigger.Definition, shown bool) url.Values {
	s, template := &d.Task, d.PayloadTemplate
	if shown {
		s, template = q.hideSpec(s), q.hideTemplate(d.Task.Kind, template)
	}
	v := url.Values{
		"name": {d.Name}, "schedule": {d.ScheduleField()}, "cron": {d.Cron}, "every": {spanText(d.Every, "")}, "after": {spanText(d.After, "")},
		"at": {momentText(d.At)}, "zone": {d.Zone}, "calendar": {d.Calendar}, "except_calendar": {d.ExceptCalendar}, "start": {momentText(d.Start)},
		"end": {momentText(d.End)}, "jitter": {spanText(d.Jitter, "")}, "misfire": {string(d.Misfire)}, "catch_up": {spanText(d.CatchUp, "")},
		"grace": {spanText(d.Grace, "")}, "overlap": {string(d.Overlap)}, "payload_template": {template},
	}
	if d.MisfireMax > 0 {
		v.Set("misfire_max", strconv.Itoa(d.MisfireMax))
	}
	if d.Paused {
		v.Set("paused", "1")
	}
	if daily := d.Daily; daily != nil {
		v.Set("daily.from", daily.From)
		v.Set("daily.to", daily.To)
		v.Set("daily.every", spanText(daily.Every, ""))
		var days []string
		for _, day := range daily.Days {
			days = append(days, strings.ToLower(day.String()[:3]))
		}
		v.Set("daily.days", strings.Join(days, " "))
	}
	for name, value := range specValues(s) {
		v.Set("task."+name, value)
	}
	return v
}

func momentText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.999Z")
}

// definition reads the trigger of a form. Only the schedule that is chosen counts.
func (f *form) definition() trigger.Definition {
	zone := time.UTC
	if name := f.text("zone"); name != "" && name != "Local" {
		if found, err := time.LoadLocation(name); err == nil { // else the check of the definition names it
			zone = found
		}
	}
	d := trigger.Definition{
		Name: f.text("name"), Zone: f.text("zone"), Calendar: f.text("calendar"), ExceptCalendar: f.text("except_calendar"),
		Start: f.moment("start", zone), End: f.moment("end", zone), Jitter: f.span("jitter", ""), Misfire: trigger.Misfire(f.text("misfire")),
		MisfireMax: int(f.whole("misfire_max", 1, trigger.MaxMisfireMax)), CatchUp: f.span("catch_up", ""), Grace: f.span("grace", ""),
		Overlap: trigger.Overlap(f.text("overlap")), Paused: f.checked("paused"), PayloadTemplate: f.body("payload_template"), Task: f.in("task.").spec(),
	}
	kind := f.text("schedule")
	if kind != "daily" && f.text(kind) == "" && slices.Contains(schedules, kind) {
		f.wrong(kind, "is missing")
	}
	switch kind {
	case "cron":
		d.Cron = f.text("cron")
	case "every":
		d.Every = f.span("every", "")
	case "after":
		d.After = f.span("after", "")
	case "at":
		d.At = f.moment("at", zone)
	case "daily":
		d.Daily = &trigger.Daily{From: f.text("daily.from"), To: f.text("daily.to"), Every: f.span("daily.every", "")}
		for _, name := range strings.FieldsFunc(f.text("daily.days"), func(r rune) bool { return r == ' ' || r == ',' }) {
			day, err := trigger.ParseDay(name)
			if err != nil {
				f.wrong("daily.days", "%v", err)
				continue
			}
			d.Daily.Days = append(d.Daily.Days, day)
		}
	default:
		f.wrong("schedule", "must be one of %s", strings.Join(schedules, ", "))
	}
	return d
}

// triggerParts are the parts of the form of a trigger.
func (q *request) triggerParts(f *form) []inputs {
	calendars := append([]string{""}, slices.Sorted(maps.Keys(q.c.opts.Calendars))...)
	for _, name := range []string{"calendar", "except_calendar"} { // one that this program does not have is shown, too
		if v := f.text(name); !slices.Contains(calendars, v) {
			calendars = append(calendars, v)
		}
	}
	parts := []inputs{
		f.part("form.schedule", false, input{Name: "name", Required: true}, input{Name: "schedule", Kind: "choice", Options: schedules}, input{Name: "cron", Of: "cron"},
			input{Name: "every", Of: "every"}, input{Name: "after", Of: "after"}, input{Name: "daily.from", Of: "daily"}, input{Name: "daily.to", Of: "daily"}, input{Name: "daily.every", Of: "daily"}, input{Name: "daily.days", Of: "daily"},
			input{Name: "at", Of: "at"}, input{Name: "zone", List: "zones"}, input{Name: "calendar", Kind: "choice", Options: calendars},
			input{Name: "except_calendar", Kind: "choice", Options: calendars}),
		f.part("form.rules", true, input{Name: "start"}, input{Name: "end"}, input{Name: "jitter"},
			input{Name: "overlap", Kind: "choice", Options: []string{"", "allow", "skip", "queue", "stop"}},
			input{Name: "misfire", Kind: "choice", Options: []string{"", "skip", "once", "all"}}, input{Name: "misfire_max", Kind: "number"},
			input{Name: "catch_up"}, input{Name: "grace"}, input{Name: "paused", Kind: "check"}),
	}
	ofTask := f.in("task.")
	tasks := ofTask.taskParts()
	tasks[0].Fields = slices.Insert(tasks[0].Fields, 2, f.part("", false, input{Name: "payload_template", Kind: "area"}).Fields...)
	tasks[1].Fields = append(tasks[1].Fields, ofTask.part("", false, input{Name: "delay"}, input{Name: "hold", Kind: "check"}).Fields...)
	return append(parts, tasks...)
}

func (q *request) showTriggerForm(status int, t *pool.TriggerInfo, f *form, times []time.Time) error {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return err
	}
	known := q.known(p)
	page := triggerEditPage{enqueuePage: &known, Parts: q.triggerParts(f), Wrong: len(f.errs) > 0, Times: times, Asked: q.Method == http.MethodPost}
	page.Others = f.others(page.Parts)
	if t != nil {
		page.Parts[0].Fields[0].Fixed = true // the name
		page.Name, page.Origin = t.Name, t.Origin
		page.SetAt = cmp.Or(q.PostFormValue("set_at"), strconv.FormatInt(t.SetAt.UnixMilli(), 10))
	}
	return q.renderStatus(status, "triggeredit", time.Time{}, page)
}

// sentTrigger reads the form that the user has sent, and the trigger that it is for.
func (q *request) sentTrigger() (t *pool.TriggerInfo, f *form, def trigger.Definition, err error) {
	if t, err = q.editedTrigger(q.PostFormValue("was")); err != nil {
		return nil, nil, def, err
	}
	shown := q.PostForm
	sent := url.Values(maps.Clone(shown))
	var left []string
	if t != nil {
		left = restore(sent, q.definitionValues(&t.Trigger, true), q.definitionValues(&t.Trigger, false))
		sent.Set("name", t.Name)
	}
	f = newForm("", sent)
	def = f.definition()
	for _, name := range left {
		f.wrong(name, "%s", q.T("wrong.masked"))
	}
	// The page shows what the user has sent, without the stored values.
	return t, &form{values: shown, errs: f.errs}, def, nil
}

// nextTimes is how many planned times a preview has.
const nextTimes = 5

// previewTrigger shows the form again with its mistakes, or with the next planned times.
func (q *request) previewTrigger() error {
	t, f, def, err := q.sentTrigger()
	if err != nil {
		return err
	}
	return q.showTriggerForm(http.StatusOK, t, f, q.preview(f, def))
}

// preview returns the next planned times of a definition, and adds its mistakes to the form.
func (q *request) preview(f *form, def trigger.Definition) []time.Time {
	times, err := q.site.pool.Triggers().Preview(def, nextTimes)
	read := maps.Clone(f.errs)
	for _, e := range task.FieldErrors(err) {
		if len(read[e.Field]) == 0 { // else the value could not be read, and its absence is no further mistake
			f.wrong(e.Field, "%s", e.Msg)
		}
	}
	if err == nil && len(times) == 0 {
		f.wrong(def.ScheduleField(), "%s", q.T("trigger.never"))
	}
	return times
}

// setTrigger creates or replaces a trigger.
func (q *request) setTrigger() error {
	t, f, def, err := q.sentTrigger()
	if err != nil {
		return err
	}
	if t != nil && t.Origin != "" {
		return &problem{http.StatusConflict, "error.trigger_owned", []any{t.Name, t.Origin}}
	}
	if t != nil && q.PostFormValue("set_at") != strconv.FormatInt(t.SetAt.UnixMilli(), 10) {
		return &problem{http.StatusConflict, "error.trigger_changed", []any{t.Name}}
	}
	q.preview(f, def)
	if t == nil && len(f.errs["name"]) == 0 {
		switch _, err := q.site.pool.Triggers().Get(q.Context(), def.Name); {
		case err == nil:
			f.wrong("name", "%s", q.T("trigger.exists"))
		case !errors.Is(err, pool.ErrNoTrigger):
			return err
		}
	}
	if len(f.errs) > 0 {
		return q.showTriggerForm(http.StatusBadRequest, t, f, nil)
	}
	target := def.Name + ": " + q.Schedule(&pool.TriggerInfo{Trigger: def}) + ", " + def.Task.Kind + " " + cmp.Or(def.Task.Queue, task.DefaultQueue)
	err = q.record(action{name: "triggers/set", target: target, do: func(ctx context.Context) (int, error) { return 0, q.site.pool.Triggers().SetIf(ctx, def, t) }})
	switch {
	case errors.Is(err, pool.ErrTriggerChanged) && t != nil:
		return &problem{http.StatusConflict, "error.trigger_changed", []any{t.Name}}
	case errors.Is(err, pool.ErrTriggerChanged):
		f.wrong("name", "%s", q.T("trigger.exists"))
	}
	if len(f.errs) > 0 || f.take(err) {
		return q.showTriggerForm(http.StatusBadRequest, t, f, nil)
	}
	if err != nil {
		return err
	}
	http.Redirect(q.w, q.Request, q.Path("trigger", "name", def.Name), http.StatusSeeOther)
	return nil
}
