package schedule

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	cron "github.com/netresearch/go-cron"
)

// Cron is a cron expression in a zone.
type Cron struct {
	times cron.Schedule // of local times
	zone  *time.Location
}

// fields are those of a cron expression. The day of the month and the day of the week match
// if one of them does, unless one is *: the rule of cron.
const fields = cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow |
	cron.Descriptor | cron.Extended | cron.DowOrDom | cron.Hash

// maxExpression is the most bytes of an expression.
const maxExpression = 200

// ParseCron reads a cron expression of five fields (minute, hour, day of the month, month,
// day of the week) or of six, with seconds first. Days of the week are 0 to 7, where 0 and
// 7 are Sunday, or names. Besides lists, ranges and steps it knows
//
//	L L-3 LW 15W    last day of the month, third before it, last weekday, weekday nearest to the 15th
//	FRI#3 FRI#L     third and last Friday of the month
//	H H(0-9) H/15   a value chosen by key, so that triggers with the same expression do not fire at once
//	@hourly @daily @midnight @weekly @monthly @yearly @annually
//
// An expression without a matching time is refused, such as one for 30 February.
func ParseCron(expression string, zone *time.Location, key string) (*Cron, error) {
	expression = strings.TrimSpace(expression)
	switch {
	case expression == "":
		return nil, errors.New("is empty")
	case len(expression) > maxExpression:
		return nil, fmt.Errorf("must have at most %d bytes", maxExpression)
	case strings.HasPrefix(expression, "@every"):
		return nil, errors.New("must not be @every: give the rate as every")
	case strings.Contains(expression, "TZ="):
		return nil, errors.New("must not name a zone: give it as zone")
	}
	if n := len(strings.Fields(expression)); !strings.HasPrefix(expression, "@") && n != 5 && n != 6 {
		hint := ""
		if n == 7 {
			hint = ": give the years by start and end"
		}
		return nil, fmt.Errorf("must have five fields, or six with seconds first, not %d%s", n, hint)
	}
	p, err := cron.TryNewParser(fields)
	if err != nil {
		return nil, err
	}
	times, err := p.WithMaxSearchYears(searchYears).WithHashKey(key).Parse(expression)
	if err != nil {
		return nil, unreadable(expression, err)
	}
	// The zone of the parser's schedule is UTC: that of local times.
	spec, ok := times.(*cron.SpecSchedule)
	if !ok {
		return nil, errors.New("is not a cron expression")
	}
	spec.Location = time.UTC
	c := &Cron{times: spec, zone: zone}
	if c.Next(time.Now()).IsZero() {
		return nil, errors.New("never matches a date")
	}
	return c, nil
}

// quartzLast matches the last field of an expression of Quartz for the last day of the week of a month.
var quartzLast = regexp.MustCompile(`(?i)\s([0-7]|[a-z]{3})L$`)

// unreadable returns the error for an expression that the parser does not know.
func unreadable(expression string, err error) error {
	if m := quartzLast.FindStringSubmatch(expression); m != nil {
		return fmt.Errorf("cannot end with %sL: write FRI#L for the last Friday of the month", m[1])
	}
	text, _, _ := strings.Cut(err.Error(), ": strconv.")
	return fmt.Errorf("cannot be read: %s", text)
}

// Next implements Schedule.
func (c *Cron) Next(t time.Time) time.Time {
	return next(t, c.zone, func(local time.Time) time.Time { return c.times.Next(local.Add(-1)) })
}
