package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfigMistakesAreReportedTogether(t *testing.T) {
	const good = "queues: {default: {workers: 1}}\nhandlers: {a: {command: [cat]}}\n"
	const noQueue = "f.yaml: queues must name at least one queue, such as queues: {default: {workers: 4}}"
	const noHandler = "f.yaml: handlers must name at least one kind of task, such as handlers: {email.send: {command: [./send.sh]}}"
	for name, tc := range map[string]struct {
		yaml string
		want []string
	}{
		"empty":    {"", []string{"f.yaml: is empty: it needs queues and handlers"}},
		"comment":  {"# nothing\n", []string{"f.yaml: is empty: it needs queues and handlers"}},
		"no YAML":  {"queues:\n  a: [\n", []string{"f.yaml:3: is not valid YAML: did not find expected node content"}},
		"a list":   {"- a\n", []string{noQueue, noHandler, "f.yaml:1: the file must be a mapping of keys to values, not a list"}},
		"two":      {good + "---\n" + good, []string{"f.yaml: holds more than one YAML document"}},
		"nothing":  {"pool: a\n", []string{noQueue, noHandler}},
		"typo":     {good + "leese: 30s\n", []string{"f.yaml:3: leese is not a key here; did you mean lease?"}},
		"repeated": {good + "lease: 1s\nlease: 2s\n", []string{"f.yaml:4: lease is given twice, first on line 3"}},
		"merge":    {good + "<<: {lease: 1s}\n", []string{`f.yaml:3: "<<" cannot be used as a key`}},
		"names": {"pool: a b\nqueues: {'{x}': {}}\nhandlers: {\"a\\n\": {command: [cat]}}\n", []string{
			`f.yaml:1: pool must not contain " "; allowed are letters, marks and digits of any script and . _ : / @ + = -`,
			`f.yaml:2: queues.{x} must not contain "{"; allowed are letters, marks and digits of any script and . _ : / @ + = -`,
			`f.yaml:3: handlers.a\n must not contain "\n"; allowed are letters, marks and digits of any script and . _ : / @ + = -`,
		}},
		"numbers": {good + "limit: -1\ngroups: {default_limit: 1.5, limits: {a: 99999999999999999999, b: many}}\n", []string{
			`f.yaml:3: limit must not be negative, but is -1; write none for no limit`,
			`f.yaml:4: groups.default_limit must be a whole number or none, not "1.5"`,
			`f.yaml:4: groups.limits.a must be a whole number or none, not "99999999999999999999"`,
			`f.yaml:4: groups.limits.b must be a whole number or none, not "many"`,
		}},
		"durations": {good + "lease: 30\ndrain_timeout: 0s\nstop_grace: 2h\n", []string{
			`f.yaml:3: lease needs a unit, as in 30s or 30m`,
			`f.yaml:4: drain_timeout must be more than 0, not 0s; remove the key for the default`,
			`f.yaml:5: stop_grace must be at most 1h0m0s, not 2h0m0s`,
		}},
		"what the pool refuses": {`queues:
  a.b:
    workers: 100001
    limit: -1
    max_len: -2
groups:
  default_limit: -3
  limits:
    acme.eu: -4
events:
  max: -5
  age: 10us
lease: 1ms
max_stuck: -6
max_log: 0
handlers:
  c.d:
    command: [cat]
    timeout: 10us
    max_attempts: 1000001
    max_lost: -7
    max_log: 32769
`, []string{
			`f.yaml:3: queues.a.b.workers must be at most 100000, not 100001`,
			`f.yaml:4: queues.a.b.limit must not be negative, but is -1; write none for no limit`,
			`f.yaml:5: queues.a.b.max_len must not be negative, but is -2; write none for no limit`,
			`f.yaml:7: groups.default_limit must not be negative, but is -3; write none for no limit`,
			`f.yaml:9: groups.limits.acme.eu must not be negative, but is -4; write none for no limit`,
			`f.yaml:11: events.max must not be negative, but is -5`,
			`f.yaml:12: events.age must be at least 1ms, not 10µs`,
			`f.yaml:13: lease must be at least 100ms, not 1ms`,
			`f.yaml:14: max_stuck must not be negative, but is -6`,
			`f.yaml:15: max_log must be from 1 to 32768 bytes, or none, not 0`,
			`f.yaml:19: handlers.c.d.timeout must be from 1ms to 87600h0m0s, not 10µs`,
			`f.yaml:20: handlers.c.d.max_attempts must be from 1 to 1000000, not 1000001`,
			`f.yaml:21: handlers.c.d.max_lost must be from 1 to 1000000, not -7`,
			`f.yaml:22: handlers.c.d.max_log must be from 1 to 32768 bytes, or none, not 32769`,
		}},
		"queue": {"queues:\n  default: {worker: 4, limit: x}\nhandlers: {a: {command: [cat]}}\n", []string{
			`f.yaml:2: queues.default.worker is not a key here; did you mean workers?`,
			`f.yaml:2: queues.default.limit must be a whole number or none, not "x"`,
		}},
		"handlers": {`queues: {default: {}}
handlers:
  a: {}
  b: {command: cat}
  c: {command: [no-such-program]}
  d: {command: [./missing.sh]}
  e: {command: [cat], timeout: never, backoff: soon, max_attempts: 0, dir: nowhere}
  f: {command: [cat], timeout: 1m, soft_timeout: 2m}
  g:
  h: {comand: [cat]}
`, []string{
			`f.yaml:3: handlers.a.command is missing: give the program and its arguments, such as ["./cut.sh", "--fast"]`,
			`f.yaml:4: handlers.b.command must be a list such as ["./cut.sh", "--fast"], not "cat"`,
			`f.yaml:5: handlers.c.command "no-such-program" was not found in PATH`,
			`f.yaml:6: handlers.d.command "./missing.sh" was not found in DIR`,
			`f.yaml:7: handlers.e.timeout must be a duration such as 500ms, 90s, 1h30m or 7d, not "never", or none`,
			`f.yaml:7: handlers.e.backoff must be "exponential:BASE_MS:MAX_MS" or "fixed:MS", such as "exponential:1000:600000", not "soon"`,
			`f.yaml:7: handlers.e.max_attempts must be more than 0, not 0; remove the key for the default`,
			`f.yaml:7: handlers.e.dir "DIR/nowhere" cannot be used: no such file or directory`,
			`f.yaml:8: handlers.f.soft_timeout must be shorter than the timeout (1m0s), not 2m0s`,
			`f.yaml:9: handlers.g must be a mapping such as {command: [./cut.sh]}, not nothing`,
			`f.yaml:10: handlers.h.comand is not a key here; did you mean command?`,
			`f.yaml:10: handlers.h.command is missing: give the program and its arguments, such as ["./cut.sh", "--fast"]`,
		}},
		"dots": {`queues: {default: {}}
handlers:
  a: {command: [cat], dir: nowhere}
  a.dir: {command: [cat]}
  email: {}
  email.command: {command: [cat], dir: nowhere}
`, []string{
			`f.yaml:3: handlers.a.dir "DIR/nowhere" cannot be used: no such file or directory`,
			`f.yaml:5: handlers.email.command is missing: give the program and its arguments, such as ["./cut.sh", "--fast"]`,
			`f.yaml:6: handlers.email.command.dir "DIR/nowhere" cannot be used: no such file or directory`,
		}},
		"tab": {"queues:\n\tdefault: {}\n", []string{"f.yaml:2: is not valid YAML: the line is indented with a tab, which YAML does not allow: use spaces"}},
		"tab further in": {"queues:\n  default:\n    workers: 1\n\tlimit: 3\n", []string{
			"f.yaml:4: is not valid YAML: the line is indented with a tab, which YAML does not allow: use spaces"}},
		"quotes": {good + "limit: \"5\"\ngroups: {default: 3, default_limit: \"-1\"}\n", []string{
			`f.yaml:3: limit must be a number and not text: leave out the quotes, as in 5`,
			`f.yaml:4: groups.default is not a key here; there are default_limit, limits, default_rate, rates`,
			`f.yaml:4: groups.default_limit must be a number and not text: leave out the quotes, as in -1`,
		}},
		"env": {`queues: {default: {}}
handlers:
  a:
    command: [cat]
    env:
      a=b: hush
      FINE: 1
      LTS_TASK_ID: mine
      LTS_REDIS: redis://elsewhere
      NUL: "a\0b"
      "": hush
`, []string{
			`f.yaml:6: handlers.a.env.a=b cannot be the name of a variable: it must not be empty or hold = or a NUL byte`,
			`f.yaml:8: handlers.a.env.LTS_TASK_ID is set by the replica for every command: use another name`,
			`f.yaml:10: handlers.a.env.NUL must not have a NUL byte in its value`,
			`f.yaml:11: handlers.a.env. cannot be the name of a variable: it must not be empty or hold = or a NUL byte`,
		}},
		"triggers beside what the pool refuses": {`queues: {default: {workers: 100001}}
handlers: {a: {comand: [cat]}}
triggers:
  leap: {kind: a, cron: "0 0 30 2 *"}
  far: {kind: a, cron: "* * * * *", zone: Europe/Berln, calendar: weekday}
`, []string{
			`f.yaml:1: queues.default.workers must be at most 100000, not 100001`,
			`f.yaml:2: handlers.a.comand is not a key here; did you mean command?`,
			`f.yaml:2: handlers.a.command is missing: give the program and its arguments, such as ["./cut.sh", "--fast"]`,
			`f.yaml:4: triggers.leap.cron never matches a date`,
			`f.yaml:5: triggers.far.zone names no time zone: "Europe/Berln"; did you mean Europe/Berlin?`,
			`f.yaml:5: triggers.far.calendar names a calendar that this program does not have: "weekday"; did you mean weekdays?; it has cn-workdays, weekdays`,
		}},
		"health": {good + "health: 8080\n", []string{`f.yaml:3: health must be HOST:PORT or :PORT, such as 127.0.0.1:8080, not "8080"`}},
		"redis": {good + "redis: http://:hunter2@h\n", []string{
			`f.yaml:3: redis must start with redis://, redis-cluster:// or redis-sentinel://, with rediss for TLS, or with unix://, as in redis://127.0.0.1:6379/0`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("LTS_REDIS", "")
			t.Setenv("LTS_POOL", "")
			dir := t.TempDir()
			file := filepath.Join(dir, "f.yaml")
			if err := os.WriteFile(file, []byte(tc.yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			_, _, _, err := prepare(&globals{}, &runFlags{file: file}, slog.New(slog.DiscardHandler))
			if exitCode(err) != exitUsage {
				t.Fatalf("got %v; want a refusal", err)
			}
			var out strings.Builder
			explain(&out, nil, err)
			text := strings.ReplaceAll(strings.ReplaceAll(out.String(), file, "f.yaml"), dir, "DIR")
			got := strings.Split(strings.TrimSpace(text), "\n")[1:]
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConfigTakesWhatThePoolTakes(t *testing.T) {
	t.Setenv("LTS_REDIS", "")
	t.Setenv("LTS_POOL", "")
	file := filepath.Join(t.TempDir(), "f.yaml")
	const yaml = "queues: {default: {}}\nhandlers: {a: {command: [cat]}}\nevents: {age: %s}\n"
	for _, age := range []string{"10ms", "3650d"} {
		if err := os.WriteFile(file, fmt.Appendf(nil, yaml, age), 0o600); err != nil {
			t.Fatal(err)
		}
		at, p, _, err := prepare(&globals{}, &runFlags{file: file}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Errorf("%s: %v", age, err)
			continue
		}
		p.Close()
		at.Close()
	}
}

func TestAPasswordThatOthersMayReadIsWarnedOf(t *testing.T) {
	t.Setenv("LTS_REDIS", "")
	const rest = "queues: {default: {}}\nhandlers: {a: {command: [cat]}}\n"
	for name, tc := range map[string]struct {
		redis string
		mode  os.FileMode
		want  bool
	}{
		"others may read it":    {"redis://:hunter2@127.0.0.1", 0o644, true},
		"the group may":         {"redis-cluster://u:hunter2@a:1,b:2", 0o640, true},
		"only its owner may":    {"redis://:hunter2@127.0.0.1", 0o600, false},
		"there is no password":  {"redis://u@127.0.0.1", 0o644, false},
		"a Sentinel's password": {"redis-sentinel://a:1/main?sentinel_password=hunter2", 0o644, true},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "f.yaml")
			if err := os.WriteFile(file, []byte("redis: "+tc.redis+"\n"+rest), tc.mode); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			at, p, _, err := prepare(&globals{}, &runFlags{file: file}, slog.New(slog.NewTextHandler(&out, nil)))
			if err != nil {
				t.Fatal(err)
			}
			defer at.Close()
			defer p.Close()
			if got := strings.Contains(out.String(), "others may read it"); got != tc.want || strings.Contains(out.String(), "hunter2") {
				t.Errorf("warned: %v, want %v: %s", got, tc.want, out.String())
			}
		})
	}
}
