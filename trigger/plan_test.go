package trigger

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// clock returns a time of one day.
func clock(hour, minute, second int) time.Time {
	return time.Date(2026, 3, 2, hour, minute, second, 0, time.UTC)
}

func planOf(t *testing.T, d Definition) *Plan {
	t.Helper()
	d.Name, d.Task.Kind = "t", "k"
	p, err := NewPlan(&d, clock(0, 0, 0), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func plannedTimes(f task.TriggerFiring) (times []string) {
	for _, p := range f.Tasks {
		times = append(times, p.Planned.UTC().Format("15:04:05.000"))
	}
	return times
}

func TestMisfireRuleDecidesAboutPlannedTimesThatPassed(t *testing.T) {
	hourly := Definition{Cron: "0 * * * *"}
	with := func(d Definition, change func(*Definition)) Definition { change(&d); return d }
	for name, tt := range map[string]struct {
		def          Definition
		planned, now time.Time
		want         []string
		next         time.Time
		missed       string // first and last
	}{
		"on time": {hourly, clock(9, 0, 0), clock(9, 0, 0), []string{"09:00:00.000"}, clock(10, 0, 0), ""},
		"late within the grace": {with(hourly, func(d *Definition) { d.Misfire = MisfireSkip }), clock(9, 0, 0), clock(9, 0, 59),
			[]string{"09:00:00.000"}, clock(10, 0, 0), ""},
		"several within the grace": {Definition{Every: 20 * time.Second, Misfire: MisfireSkip}, clock(9, 0, 0), clock(9, 0, 50),
			[]string{"09:00:00.000", "09:00:20.000", "09:00:40.000"}, clock(9, 1, 0), ""},
		"skip": {with(hourly, func(d *Definition) { d.Misfire = MisfireSkip }), clock(9, 0, 0), clock(11, 30, 0),
			nil, clock(12, 0, 0), "09:00 11:00"},
		"once":         {hourly, clock(9, 0, 0), clock(11, 30, 0), []string{"11:00:00.000"}, clock(12, 0, 0), "09:00 10:00"},
		"once, of one": {hourly, clock(9, 0, 0), clock(9, 30, 0), []string{"09:00:00.000"}, clock(10, 0, 0), ""},
		"all": {with(hourly, func(d *Definition) { d.Misfire = MisfireAll }), clock(9, 0, 0), clock(11, 30, 0),
			[]string{"09:00:00.000", "10:00:00.000", "11:00:00.000"}, clock(12, 0, 0), ""},
		"all with a maximum": {with(hourly, func(d *Definition) { d.Misfire, d.MisfireMax = MisfireAll, 2 }), clock(9, 0, 0), clock(11, 30, 0),
			[]string{"10:00:00.000", "11:00:00.000"}, clock(12, 0, 0), "09:00 09:00"},
		"all within the window": {with(hourly, func(d *Definition) { d.Misfire, d.CatchUp = MisfireAll, 100*time.Minute }), clock(8, 0, 0), clock(11, 30, 0),
			[]string{"10:00:00.000", "11:00:00.000"}, clock(12, 0, 0), "08:00 09:00"},
		"before the window": {with(hourly, func(d *Definition) { d.CatchUp = 10 * time.Minute }), clock(9, 0, 0), clock(11, 30, 0),
			nil, clock(12, 0, 0), "09:00 11:00"},
		"the last one": {with(hourly, func(d *Definition) { d.End = clock(10, 30, 0) }), clock(9, 0, 0), clock(20, 0, 0),
			[]string{"10:00:00.000"}, time.Time{}, "09:00 09:00"},
		"a dense rate for long": {Definition{Every: 50 * time.Millisecond}, clock(0, 0, 0), clock(23, 0, 0),
			[]string{"23:00:00.000"}, clock(23, 0, 0).Add(50 * time.Millisecond), "00:00 22:59"},
		"bursts": {Definition{Cron: "0-2 8 * * *", Misfire: MisfireAll}, clock(8, 0, 0), clock(20, 0, 0),
			[]string{"08:00:00.000", "08:01:00.000", "08:02:00.000"}, clock(32, 0, 0), ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := planOf(t, tt.def)
			f := p.Fire(task.StoredTrigger{Planned: tt.planned, Due: tt.planned}, tt.now)
			if diff := cmp.Diff(tt.want, plannedTimes(f)); diff != "" {
				t.Error(diff)
			}
			if !f.Next.Equal(tt.next) || !f.Due.Equal(tt.next) {
				t.Errorf("next is %v, due %v, want %v", f.Next, f.Due, tt.next)
			}
			missed := ""
			if !f.First.IsZero() {
				missed = f.First.UTC().Format("15:04") + " " + f.Last.UTC().Format("15:04")
			}
			if missed != tt.missed {
				t.Errorf("missed %q, want %q", missed, tt.missed)
			}
		})
	}
}

// Misfires that are too many for one firing are made up for by the next ones.
func TestManyMisfiresAreMadeUpForInSeveralFirings(t *testing.T) {
	p := planOf(t, Definition{Every: time.Minute, Misfire: MisfireAll, MisfireMax: 250})
	now := clock(10, 0, 30)
	read := task.StoredTrigger{Planned: clock(0, 0, 0), Due: clock(0, 0, 0)}
	var all []string
	for read.Planned.Before(now) {
		f := p.Fire(read, now)
		all = append(all, plannedTimes(f)...)
		read.Planned, read.Due = f.Next, f.Next
	}
	if len(all) != 250 || all[0] != "05:51:00.000" || all[249] != "10:00:00.000" {
		t.Errorf("%d tasks, from %s to %s", len(all), all[0], all[len(all)-1])
	}
}

func TestReplacedTriggerKeepsAPlannedTimeThatHasNotFired(t *testing.T) {
	p := planOf(t, Definition{Cron: "*/10 * * * *"})
	now := clock(9, 0, 0)
	for _, tt := range []struct{ overdue, want time.Time }{
		{time.Time{}, clock(9, 10, 0)},
		{clock(9, 5, 0), clock(9, 10, 0)},
		{now, now},
		{clock(8, 59, 59), now},
		{clock(8, 50, 0), clock(8, 50, 0)},
	} {
		if got := p.First(now, tt.overdue); !got.Equal(tt.want) {
			t.Errorf("overdue %v: %v, want %v", tt.overdue, got, tt.want)
		}
	}
}

func TestJitterDelaysAndDoesNotMoveThePlannedTime(t *testing.T) {
	p := planOf(t, Definition{Every: time.Minute, Jitter: 10 * time.Second})
	seen := map[time.Duration]bool{}
	for range 100 {
		f := p.Fire(task.StoredTrigger{Planned: clock(9, 0, 0), Due: clock(9, 0, 5)}, clock(9, 0, 5))
		if !f.Next.Equal(clock(9, 1, 0)) {
			t.Fatalf("next is %v", f.Next)
		}
		d := f.Due.Sub(f.Next)
		if d < 0 || d >= 10*time.Second || d%time.Millisecond != 0 {
			t.Fatalf("due %v after the planned time", d)
		}
		seen[d] = true
	}
	if len(seen) < 10 {
		t.Errorf("only %d different delays", len(seen))
	}
}

func TestPayloadKnowsThePlannedTime(t *testing.T) {
	d := Definition{Name: "night", Cron: "0 3 * * *", Zone: "Europe/Berlin", Task: task.Spec{Kind: "k"},
		PayloadTemplate: `{"day":"{{planned_date}}","at":"{{ planned }}","ms":{{planned_ms}},"of":"{{trigger}}","t":"{{planned_time}}"}`}
	p, err := NewPlan(&d, time.Time{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := string(p.Payload(time.Date(2026, 7, 1, 1, 0, 0, 0, time.UTC)))
	const want = `{"day":"2026-07-01","at":"2026-07-01T03:00:00+02:00","ms":1782867600000,"of":"night","t":"03:00:00"}`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestDefinitionIsStoredWithoutALoss(t *testing.T) {
	retain := task.Forever
	for _, d := range []Definition{
		{Name: "a", Cron: "0 3 * * 1", Zone: "Asia/Shanghai", Calendar: "c", ExceptCalendar: "d", Jitter: time.Second, Misfire: MisfireAll, MisfireMax: 3,
			CatchUp: time.Hour, Grace: time.Second, Overlap: OverlapQueue, Paused: true, Start: time.UnixMilli(1), End: time.UnixMilli(5),
			Task: task.Spec{Kind: "k", Queue: "q", Payload: []byte(`{"a":"<&>"}`), Priority: -3, Group: "g", Unique: "u u", Delay: time.Second,
				Timeout: task.Forever, TTL: time.Hour, Deadline: 2 * time.Hour, MaxAttempts: 2, Backoff: task.Backoff{}, Retain: &retain,
				Headers: map[string]string{"h": "v"}, FailOnLimit: true}},
		{Name: "b", Daily: &Daily{From: "09:00", To: "17:00", Every: 10 * time.Minute, Days: []time.Weekday{1, 2}}, PayloadTemplate: "{{planned}}",
			Task: task.Spec{Kind: "k"}},
		{Name: "c", At: time.UnixMilli(1e12), Task: task.Spec{Kind: "k", Payload: []byte("{ \"a\": 1 }"), Hold: true, Timeout: time.Second}},
		{Name: "d", After: time.Second, Task: task.Spec{Kind: "k", Payload: []byte("no JSON")}},
	} {
		text := d.encode()
		got, err := Decode(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(&d, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestWrongDefinitionIsRefusedWithItsFields(t *testing.T) {
	for name, tt := range map[string]struct {
		def  Definition
		want []string
	}{
		"empty":            {Definition{}, []string{"name must not be empty", "cron is missing: set one of cron, every, after, daily and at", "task.kind must not be empty"}},
		"two schedules":    {Definition{Cron: "* * * * *", Every: time.Second}, []string{"every and cron cannot both be set"}},
		"impossible date":  {Definition{Cron: "0 0 30 2 *"}, []string{"cron never matches a date"}},
		"too often":        {Definition{Every: time.Millisecond}, []string{"every must be at least 50ms, not 1ms"}},
		"unknown zone":     {Definition{Cron: "* * * * *", Zone: "Europe/Berln"}, []string{`zone names no time zone: "Europe/Berln"; did you mean Europe/Berlin?`}},
		"zone of a host":   {Definition{Cron: "* * * * *", Zone: "Local"}, []string{"zone must not be Local"}},
		"unknown rule":     {Definition{Cron: "* * * * *", Misfire: "onse"}, []string{`misfire must be one of skip, once, all, not "onse"; did you mean once?`}},
		"unknown overlap":  {Definition{Cron: "* * * * *", Overlap: "forbid"}, []string{"overlap must be one of allow, skip, queue, stop"}},
		"unknown calendar": {Definition{Cron: "* * * * *", Calendar: "x"}, []string{`calendar names a calendar that this program does not have: "x"`}},
		"template":         {Definition{Cron: "* * * * *", PayloadTemplate: "{{planed}}"}, []string{`payload_template has no field "planed"`, "planned_ms"}},
		"open template":    {Definition{Cron: "* * * * *", PayloadTemplate: "{{planned"}, []string{"payload_template has {{ without }}"}},
		"id":               {Definition{Cron: "* * * * *", Task: task.Spec{ID: "x"}}, []string{"task.id must not be set"}},
		"task":             {Definition{Cron: "* * * * *", Task: task.Spec{Queue: "a b"}}, []string{"task.queue must not contain"}},
		"clock":            {Definition{Daily: &Daily{From: "9", To: "17:00", Every: time.Hour}}, []string{"daily.from must be a time of day such as 09:30"}},
		"bounds":           {Definition{Every: time.Second, Start: clock(2, 0, 0), End: clock(1, 0, 0)}, []string{"end must be after the start"}},
		"fixed delay":      {Definition{After: time.Second, Overlap: OverlapSkip}, []string{"overlap and after cannot both be set"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := tt.def
			if name != "empty" {
				d.Name, d.Task.Kind = "t", "k"
			}
			_, err := NewPlan(&d, time.Time{}, nil)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
	for text, want := range map[string]string{
		`{"name":"a","overlp":"skip"}`:       `overlp is not a field of a trigger; did you mean overlap?`,
		`{"name":"a","every_ms":"x"}`:        "every_ms must be a whole number, not a JSON string",
		`{"name":"a","task":{"kind":"k"}} x`: "something after",
		`nonsense`:                           "not valid JSON",
	} {
		if _, err := Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

type ending struct{ end time.Time }

func (ending) Has(time.Time) bool { return true }
func (e ending) Until() time.Time { return e.end }

type endless struct{}

func (endless) Has(time.Time) bool { return true }

func TestPlannerKnowsTheEndsOfCalendars(t *testing.T) {
	end := clock(0, 0, 0)
	p := NewPlanner(map[string]Calendar{"a": ending{end}, "b": ending{}, "c": endless{}})
	if got := p.CalendarEnds(); len(got) != 1 || !got["a"].Equal(end) {
		t.Errorf("ends %v", got)
	}
}
