package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/internal/timespan"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/trigger"
	"github.com/ltsworker/ltsworker/trigger/calendar"
)

// triggerFlags are the flags of trigger set.
type triggerFlags struct {
	enqueueFlags
	cron, zone, daily, calendar, except, misfire, overlap, template, file string
	days                                                                  listFlag
	every, after, jitter, catchUp, grace                                  durationFlag
	start, end                                                            timeFlag
	misfireMax                                                            int
	paused                                                                bool
	calendarFiles                                                         map[string]string
}

func newTriggerSet(g *globals) *cobra.Command {
	f := triggerFlags{enqueueFlags: enqueueFlags{timeout: durationFlag{word: "none"}, retain: durationFlag{word: "forever"}}}
	cmd := &cobra.Command{
		Use:   "set NAME KIND [JSON|-]",
		Short: "Set a trigger, or replace the one with its name",
		Long: `Set a trigger, or replace the one with its name. Give one of --cron, --every, --after,
--daily and --at. The task has the kind, the payload and the options of the flags, as
for enqueue. The same trigger again changes nothing.

With --file FILE (- is standard input) the definition is a JSON object, as trigger show
--json prints it in its field "definition".

A cron expression has five fields (minute, hour, day of the month, month, day of the
week), or six with seconds first. --template is a payload in which {{planned}},
{{planned_ms}}, {{planned_date}}, {{planned_time}} and {{trigger}} are filled in.`,
		Example: `  ltsworker trigger set night cleanup --cron "0 3 * * *" --zone Asia/Shanghai --calendar cn-workdays
  ltsworker trigger set poll fetch '{"url":"https://h/x"}' --every 30s --overlap skip
  ltsworker trigger set sweep cleanup --daily 09:00-17:00/10m --days mon,tue
  ltsworker trigger set daily report --cron @daily --template '{"day":"{{planned_date}}"}'`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case f.file != "":
				return between(0, 0, "")(nil, args)
			case len(args) == 1:
				return usagef("KIND is missing")
			}
			return between(2, 3, "NAME")(nil, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			def, err := f.definition(cmd, args)
			if err != nil {
				return err
			}
			return g.withServer(cmd, func(ctx context.Context, c *client.Client) error { return f.set(ctx, cmd, c, def) })
		},
	}
	flags := cmd.Flags()
	flags.Var((*textFlag)(&f.cron), "cron", "fire at the times of this cron `EXPRESSION`")
	flags.Var(&f.every, "every", "fire at this fixed rate, such as 500ms, 30s or 2h")
	flags.Var(&f.after, "after", "fire this long after the end of the last task")
	flags.Var((*textFlag)(&f.daily), "daily", "fire every so often between two times of each day: `FROM-TO/EVERY`,\nsuch as 09:00-17:00/10m")
	flags.Var(&f.days, "days", "with --daily: the days of the week on which the interval begins, such as mon,tue")
	flags.Var(&f.at, "at", "fire once, at this time, such as 2026-01-31T18:00:00Z")
	flags.Var((*textFlag)(&f.zone), "zone", "time `ZONE` of the schedule, such as Europe/Berlin (default UTC)")
	flags.Var((*textFlag)(&f.calendar), "calendar", "fire only on days of the calendar `NAME`: weekdays, cn-workdays")
	flags.Var((*textFlag)(&f.except), "except-calendar", "do not fire on days of the calendar `NAME`")
	flags.StringToStringVar(&f.calendarFiles, "calendar-file", nil, "read the calendar from a file in JSON or ICS: `NAME=FILE`; the config files of\nthe replicas need it, too")
	flags.Lookup("calendar-file").DefValue = "" // else the help shows []
	flags.Var(&f.start, "start", "fire from this time on")
	flags.Var(&f.end, "end", "fire before this time only")
	flags.Var(&f.jitter, "jitter", "delay each firing by a random time below this")
	flags.Var((*textFlag)(&f.misfire), "misfire", "what planned times that no replica fired make: skip (nothing), once (one\ntask) or all (a task each) (default once)")
	flags.IntVar(&f.misfireMax, "misfire-max", 0, "with --misfire all: at most this many tasks (default 100)")
	flags.Var(&f.catchUp, "catch-up", "planned times older than this make no task (default 24h)")
	flags.Var(&f.grace, "grace", "a firing that is late by less is no misfire (default 1m)")
	flags.Var((*textFlag)(&f.overlap), "overlap", "if the last task has not ended: allow, skip, queue (one firing waits) or\nstop (the last task) (default allow)")
	flags.BoolVar(&f.paused, "paused", false, "do not fire before trigger resume")
	flags.Var((*textFlag)(&f.template), "template", "`TEXT` of the payload with the planned time in it")
	flags.Var((*textFlag)(&f.file), "file", "read the definition from `FILE`, - for standard input")
	f.addTemplate(flags)
	addJSON(cmd, &f.json)
	return cmd
}

// definition builds a trigger from the command line and reports all errors in it.
func (f *triggerFlags) definition(cmd *cobra.Command, args []string) (def pool.Trigger, err error) {
	if f.file != "" {
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			beside := slices.Contains([]string{"file", "json", "calendar-file"}, flag.Name)
			if flag.Changed && !beside && err == nil {
				err = usagef("--file and --%s cannot both be given: the file has the whole definition", flag.Name)
			}
		})
		if err != nil {
			return def, err
		}
		return readDefinition(f.file, cmd.InOrStdin())
	}
	at := f.at.value
	f.at = timeFlag{} // the time is that of the trigger
	spec, err := f.spec(cmd, args[1])
	if err != nil {
		return def, err
	}
	if spec.Payload, err = payload(args[1:], cmd.InOrStdin()); err != nil {
		return def, err
	}
	def = pool.Trigger{
		Name: args[0], Cron: f.cron, Every: f.every.value, After: f.after.value, At: at, Zone: f.zone, Calendar: f.calendar,
		ExceptCalendar: f.except, Start: f.start.value, End: f.end.value, Jitter: f.jitter.value, Misfire: pool.Misfire(f.misfire),
		MisfireMax: f.misfireMax, CatchUp: f.catchUp.value, Grace: f.grace.value, Overlap: pool.Overlap(f.overlap), Paused: f.paused,
		PayloadTemplate: f.template, Task: spec,
	}
	if f.daily != "" {
		if def.Daily, err = f.interval(); err != nil {
			return def, err
		}
	} else if len(f.days) > 0 {
		return def, usagef("--days needs --daily")
	}
	return def, nil
}

// interval reads --daily and --days.
func (f *triggerFlags) interval() (*pool.Daily, error) {
	clocks, every, ok := strings.Cut(f.daily, "/")
	from, to, ok2 := strings.Cut(clocks, "-")
	d, err := timespan.Parse(every)
	if !ok || !ok2 || err != nil {
		return nil, usagef("--daily must be FROM-TO/EVERY such as 09:00-17:00/10m, not %s", terminal.Quoted(f.daily))
	}
	daily := &pool.Daily{From: from, To: to, Every: d}
	for _, name := range f.days {
		day, err := trigger.ParseDay(name)
		if err != nil {
			return nil, usagef("--days %v", err)
		}
		daily.Days = append(daily.Days, day)
	}
	return daily, nil
}

// maxDefinition is the greatest size of a definition in bytes.
const maxDefinition = 4 << 20

func readDefinition(file string, in io.Reader) (def pool.Trigger, err error) {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return def, &inputError{err}
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxDefinition+1))
	if err != nil {
		return def, &inputError{err}
	}
	if len(text) > maxDefinition {
		return def, &inputError{fmt.Errorf("the definition must have at most %d bytes", maxDefinition)}
	}
	read, err := trigger.Decode(text)
	if err != nil {
		return def, &inputError{err}
	}
	return *read, nil
}

func (f *triggerFlags) set(ctx context.Context, cmd *cobra.Command, c *client.Client, def pool.Trigger) error {
	calendars := calendar.Builtin()
	for name, file := range f.calendarFiles {
		days, err := calendar.Read(file)
		if err != nil {
			return &inputError{err}
		}
		calendars[name] = days
	}
	p, err := pool.New(c.Store, pool.Config{Calendars: calendars})
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.Triggers().Set(ctx, def); err != nil {
		var field *pool.FieldError
		if errors.As(err, &field) {
			return &inputError{err}
		}
		return err
	}
	t, err := p.Triggers().Get(ctx, def.Name)
	if err != nil {
		return err
	}
	if f.json {
		return terminal.WriteJSON(cmd.OutOrStdout(), record.OfTrigger(t))
	}
	next := record.TriggerState(t)
	if !t.Next.IsZero() {
		next = "next " + terminal.LocalTime(t.Next)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), def.Name, "set,", next)
	return err
}
