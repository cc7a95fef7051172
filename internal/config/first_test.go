package config

import (
	"reflect"
	"regexp"
	"slices"
	"testing"
)

// The lines that are commented out have to be right, too.
func TestEveryLineOfTheFirstConfigCanBeUsed(t *testing.T) {
	all := regexp.MustCompile(`(?m)^( *)#([a-z_]+:|  [a-z_]+:)`).ReplaceAllString(string(First), "$1$2")
	c := parse("f.yaml", []byte(all))
	if err := c.Err(); err != nil {
		t.Fatalf("%v\n%s", err, all)
	}
	for _, key := range []string{"redis", "health", "metrics", joinKey("metrics", "pool"), joinKey("metrics", "max_queues"), joinKey("metrics", "max_kinds"), "callbacks", joinKey("traces", "errors"),
		joinKey("admission", "max_cpu"), joinKey("admission", "min_free_memory")} {
		if c.lines[key] == 0 {
			t.Errorf("%s is not shown", key)
		}
	}
	if len(c.Triggers) != 1 || c.calendars["company"] == "" {
		t.Error("a trigger or a calendar is not shown")
	}
	if c.Remote["report"].URL == "" {
		t.Error("a remote section is not shown")
	}
	// Only Go programs set these fields, or the binary sets them.
	notInTheFile := []string{"Admit", "OnConnect", "OnDisconnect", "OnLeaseLost", "Disabled", "OnFinish", "OnTrimmed", "Redeliver", "Middleware", "Tracer", "Version", "Logger", "Pool", "Grace", "MaxResult", "MaxLog", "Calendars", "Secrets"}
	for _, section := range []any{c.Pool, c.Pool.Queues["default"], c.Pool.Groups, c.Pool.Policies["echo"], c.Pool.Handlers["echo"], c.Handlers["echo"]} {
		v := reflect.ValueOf(section)
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Field(i).IsZero() && !slices.Contains(notInTheFile, name) {
				t.Errorf("no key of the file sets %v.%s, or first.yaml does not show it", v.Type(), name)
			}
		}
	}
}
