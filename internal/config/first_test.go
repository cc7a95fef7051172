package config

import (
	"regexp"
	"strings"
	"testing"
)

// The lines that are commented out have to be right, too.
func TestEveryLineOfTheFirstConfigCanBeUsed(t *testing.T) {
	all := regexp.MustCompile(`(?m)^( *)#([a-z_]+:|  [a-z_]+:)`).ReplaceAllString(string(First), "$1$2")
	c := parse("f.yaml", []byte(all))
	if err := c.Err(); err != nil {
		t.Fatalf("%v\n%s", err, all)
	}
	for _, key := range []string{"redis", "limit", "groups.limits", "lease", "drain_timeout", "stop_grace", "max_stuck", "health", "events.max", "events.age",
		"queues.default.limit", "queues.default.max_len", "handlers.echo.soft_timeout", "handlers.echo.max_attempts",
		"handlers.echo.max_lost", "handlers.echo.backoff", "handlers.echo.dir", "handlers.echo.env"} {
		if c.lines[strings.ReplaceAll(key, ".", keyGap)] == 0 {
			t.Errorf("%s is not shown", key)
		}
	}
}
