package schedule

import (
	"errors"
	"fmt"
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
	p, err := cron.TryNewParser(fields)
	if err != nil {
		return nil, err
	}
	times, err := p.WithMaxSearchYears(searchYears).WithHashKey(key).Parse(expression)
	if err != nil {
		return nil, err
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

// Next implements Schedule.
func (c *Cron) Next(t time.Time) time.Time {
	return next(t, c.zone, func(local time.Time) time.Time { return c.times.Next(local.Add(-1)) })
}
