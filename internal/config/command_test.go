package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/executor/command"
)

func TestCommandKeysOfAHandler(t *testing.T) {
	c := parse("f.yaml", []byte(`
queues: {default: }
handlers:
  video.cut:
    command: [cat, "--url={{payload.url}}"]
    inherit: [PATH, LC_*]
    env: {TITLE: "{{payload.title | default none}}"}
    limits: {cpu: 2m, memory: 2GiB, files: 256, processes: 200, file_size: 4096, core: none}
    umask: 027
  none: {command: [cat], inherit: [], limits: {memory: "512 MiB", core: 1KiB}}
`))
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	want := map[string]command.Config{
		"video.cut": {
			Command: []string{"cat", "--url={{payload.url}}"}, Inherit: []string{"PATH", "LC_*"},
			Env:    []string{"TITLE={{payload.title | default none}}"},
			Limits: command.Limits{CPU: 2 * time.Minute, Memory: 2 << 30, Files: 256, Processes: 200, FileSize: 4096, Core: command.NoCore},
			Umask:  "027",
		},
		"none": {Command: []string{"cat"}, Inherit: []string{}, Limits: command.Limits{Memory: 512 << 20, Core: 1024}},
	}
	if diff := cmp.Diff(want, c.Handlers); diff != "" {
		t.Error(diff)
	}
}

// All problems are reported at once, also those that only the command finds.
func TestProblemsOfACommandNameTheirLineAndKey(t *testing.T) {
	c := parse("f.yaml", []byte(`queues: {default: }
handlers:
  video.cut:
    command:
      - cat
      - "{{payload.url"
      - -{{payload.size}}
      - {{payload.url}}
    env:
      GOOD: fast
      PATH: "{{payload.path}}"
    inherit:
      - LTS_REDIS
    umask: 8
  other:
    command: [cat]
    limits:
      cpu: 1500ms
      memory: 2 GB
      files: 0
      processes: 1000000000000
      core: -1
      disk: 1
`))
	if _, err := c.Commands("media", nil); err != nil {
		t.Fatal(err)
	}
	err := c.Err()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"f.yaml:6: handlers.video.cut.command[1] has a template that cannot be read: it has no }}",
		"f.yaml:7: handlers.video.cut.command[2] must have = between the option and {{payload.size}}",
		`f.yaml:8: handlers.video.cut.command[3] must be text, not a mapping: write a template in quotes, as in "{{payload.url}}"`,
		"f.yaml:11: handlers.video.cut.env.PATH must not be a template",
		"f.yaml:13: handlers.video.cut.inherit[0] must not name LTS_REDIS",
		`f.yaml:14: handlers.video.cut.umask must be three octal digits such as 027, not "8"`,
		"f.yaml:18: handlers.other.limits.cpu must be in whole seconds, such as 90s, not 1500ms",
		"f.yaml:19: handlers.other.limits.memory must be a size such as 4096, 64KiB, 512MiB or 2GiB, not \"2 GB\"",
		"f.yaml:20: handlers.other.limits.files must be more than 0, not 0; remove the key for the default",
		"f.yaml:21: handlers.other.limits.processes must be at most",
		"f.yaml:22: handlers.other.limits.core must not be negative, but is -1",
		"f.yaml:23: handlers.other.limits.disk is not a key here; there are cpu, memory, files, processes, file_size, core",
	} {
		if !strings.Contains(err.Error()+"\n", want) {
			t.Errorf("no problem %q", want)
		}
	}
	if n := strings.Count(err.Error(), "\n"); n != 12 {
		t.Errorf("%d problems, want 12", n)
	}
	if t.Failed() {
		t.Log(err)
	}
}

// The variables that a file names as places of secrets are secrets for its commands.
func TestSecretsOfTheFileAreKnown(t *testing.T) {
	c := parse("f.yaml", []byte(`queues: {default: {workers: 1}}
handlers:
  a: {command: [cat], export: {dsn_env: RESULTS_DSN}}
alerts:
  receivers:
    ops: {dingtalk: {url: {env: ROBOT_URL}, secret: {env: ROBOT_SECRET}}}
    hook: {webhook: {url: https://hooks.example, headers: {X-Token: {env: HOOK_TOKEN}}}}
    mail: {mail: {host: smtp.example, from: a@example.com, to: [b@example.com], user: a, password: {env: MAIL_PASSWORD}}}
`))
	want := []string{"HOOK_TOKEN", "MAIL_PASSWORD", "RESULTS_DSN", "ROBOT_SECRET", "ROBOT_URL"}
	if got := c.secretVariables(); c.Err() != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, c.Err())
	}
}
