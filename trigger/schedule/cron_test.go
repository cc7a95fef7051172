package schedule

import (
	"strings"
	"testing"
	"time"
)

func TestWrongExpressionSaysWhatToWrite(t *testing.T) {
	for expression, want := range map[string]string{
		"99":                 "must have five fields, or six with seconds first, not 1",
		"0 0 3 * * ? 2027":   "must have five fields, or six with seconds first, not 7: give the years by start and end",
		"0 0 3 ? * 6L":       "cannot end with 6L: write FRI#L for the last Friday of the month",
		"0 3 * * FRIL":       "cannot end with FRIL: write FRI#L for the last Friday of the month",
		"0 3 x * *":          "cannot be read: ",
		"@fortnightly":       "cannot be read: ",
		"0 0 30 2 *":         "never matches a date",
		"@every 1h":          "must not be @every: give the rate as every",
		"CRON_TZ=UTC @daily": "must not name a zone: give it as zone",
	} {
		_, err := ParseCron(expression, time.UTC, "key")
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "strconv") {
			t.Errorf("%s: %v, want %s", expression, err, want)
		}
	}
	for _, expression := range []string{"0 3 * * FRI#L", "0 3 L * *", "0 30 2 ? * MON-FRI", "@daily"} {
		if _, err := ParseCron(expression, time.UTC, "key"); err != nil {
			t.Errorf("%s: %v", expression, err)
		}
	}
}
