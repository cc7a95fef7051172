//go:build unix

package command

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

func TestValuesOfTheTaskFillArgumentsAndVariables(t *testing.T) {
	t.Setenv("FROM_REPLICA", "inherited")
	cfg := Config{Pool: "media", Command: []string{
		"sh", "-c", `printf '%s|' "$@" "$TITLE"; cat`, "sh",
		"--url={{payload.url}}", "{{payload.size | default 720}}", "{{id}}", "{{{{id}}", "--", "{{payload.opt}}",
	}, Env: []string{"TITLE=the {{payload.title}}"}}
	const payload = `{"url":"$(echo hi) 'a' \"b\" *\nc","opt":"-rf","title":"x\ny"}`
	a := runConfig(t, cfg, payload)
	if a.err != nil {
		t.Fatal(a.err)
	}
	want := []string{"--url=$(echo hi) 'a' \"b\" *\nc", "720", "t-1", "{{id}}", "--", "-rf", "the x\ny", payload}
	if diff := cmp.Diff(want, strings.Split(string(a.result), "|")); diff != "" {
		t.Error(diff)
	}

	for payload, want := range map[string]string{
		`{"opt":"x","title":"x"}`: "payload.url is missing",
		`{"url":"x","opt":"x"}`:   "payload.title is missing",
		`url`:                     "the payload is not JSON",
		`{"url":"x","size":"-1","opt":"x","title":"x"}`: "payload.size must not begin with -",
	} {
		a := runConfig(t, cfg, payload)
		if !task.DispositionOf(a.err).BadPayload || !strings.Contains(a.err.Error(), want) {
			t.Errorf("%s: %v, want the bad payload %q", payload, a.err, want)
		}
	}
}

// The system refuses them in every attempt.
func TestArgumentsThatAreTooLongTogetherAreABadPayload(t *testing.T) {
	for _, umask := range []string{"", "022"} {
		cfg := Config{Command: append([]string{"true"}, slices.Repeat([]string{"x{{payload}}"}, 100)...), Umask: umask, Pool: "media"}
		a := runConfig(t, cfg, `"`+strings.Repeat("x", 64<<10)+`"`)
		if !task.DispositionOf(a.err).BadPayload || !strings.Contains(a.err.Error(), "argument list too long") {
			t.Errorf("%v, want a bad payload", a.err)
		}
	}
}

func TestCommandInheritsOnlyVariablesOfTheList(t *testing.T) {
	t.Setenv("LTS_REDIS", "redis://:secret@h")
	t.Setenv("ONE", "1")
	t.Setenv("ONE_MORE", "2")
	t.Setenv("ROBOT_URL", "secret")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "secret")
	for _, tt := range []struct {
		inherit      []string
		one, oneMore string
	}{
		{nil, "1", "2"},
		{[]string{}, "", ""},
		{[]string{"PATH", "ONE"}, "1", ""},
		{[]string{"ONE*"}, "1", "2"},
		{[]string{"*"}, "1", "2"},
		{[]string{"LTS_*", "NO_SUCH"}, "", ""},
		{[]string{"ROBOT_*", "OTEL_*"}, "", ""},
		{[]string{"ROBOT_URL", "OTEL_EXPORTER_OTLP_HEADERS"}, "", ""},
	} {
		a := runConfig(t, Config{Command: []string{"/usr/bin/env"}, Inherit: tt.inherit, Secrets: []string{"ROBOT_URL"}, Env: []string{"OWN=x"}, Pool: "media"}, "")
		got := map[string]string{}
		for line := range strings.Lines(string(a.result)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			got[name] = value
		}
		if a.err != nil || got["ONE"] != tt.one || got["ONE_MORE"] != tt.oneMore || got["OWN"] != "x" || got["LTS_TASK_ID"] != "t-1" {
			t.Errorf("%q: %v, %v", tt.inherit, got, a.err)
		}
		if _, leaked := got["LTS_REDIS"]; leaked {
			t.Errorf("%q: LTS_REDIS was inherited", tt.inherit)
		}
		for _, name := range []string{"ROBOT_URL", "OTEL_EXPORTER_OTLP_HEADERS"} {
			if _, has := got[name]; has != slices.Contains(tt.inherit, name) {
				t.Errorf("%q: %s was inherited: %v", tt.inherit, name, has)
			}
		}
		if tt.inherit != nil && len(tt.inherit) == 0 && len(got) != 7 {
			t.Errorf("inherited with an empty list: %v", got)
		}
	}
}

func TestEnvironmentThatCannotBeUsedIsRefused(t *testing.T) {
	_, err := New(Config{
		Command: []string{"true", "{{payload.a", "-{{id}}"},
		Inherit: []string{"PATH", "A=B", "*_URL", "LTS_REDIS"},
		Env:     []string{"PATH=/x/{{payload.path}}", "LD_PRELOAD={{payload.lib}}", "SECRET=hush{{payload.a}}b"},
		Pool:    "media",
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"command[1] has a template that cannot be read", "command[2] must have = between the option and {{id}}",
		"inherit[1] must be the name of a variable", "inherit[2] may have a * only at its end", "inherit[3] must not name LTS_REDIS",
		"env.PATH must not be a template", "env.LD_PRELOAD must not be a template", "env.SECRET must not have text behind",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no error contains %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hush") {
		t.Error("the error shows the value of a variable")
	}
}

// A command does not get the TRACESTATE of the replica with the TRACEPARENT of its attempt.
func TestTraceOfTheReplicaIsNotMixedWithThatOfTheAttempt(t *testing.T) {
	t.Setenv("TRACEPARENT", "old")
	t.Setenv("TRACESTATE", "old=1")
	r := &runner{}
	for parent, want := range map[string][]string{"": {"TRACEPARENT=old", "TRACESTATE=old=1"}, "new": {"TRACEPARENT=new"}} {
		ctx := t.Context()
		if parent != "" {
			ctx = task.WithTraceHeaders(ctx, func(context.Context) map[string]string { return map[string]string{"traceparent": parent} })
		}
		env, err := r.environ(ctx, nil, &task.Task{})
		if err != nil {
			t.Fatal(err)
		}
		env = slices.DeleteFunc(env, func(e string) bool { return !strings.HasPrefix(e, "TRACE") })
		if slices.Sort(env); !slices.Equal(env, want) {
			t.Errorf("%q: %q, want %q", parent, env, want)
		}
	}
}
