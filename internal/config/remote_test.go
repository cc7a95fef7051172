package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/executor/remote"
)

const remoteSection = `
queues: {default: }
handlers:
  video.cut:
    timeout: 1h
    max_log: 1000
    remote:
      url: https://cutter.example/{{payload.project}}/cut
      mode: jobs
      jobs_url: https://cutter.example/jobs
      callback: https://worker.example/callback
      secret: {env: CUTTER_SECRET}
      headers:
        X-Tenant: "{{payload.tenant}}"
        Authorization: {prefix: "Bearer ", file: token}
      body:
        url: "{{payload.url}}"
        size: 720
        deep: {fast: true, list: ["{{id}}", 1.5, null], day: 2026-01-02}
      idempotent: true
      timeout: 20s
      retry_within: 2m
      interval: 3s
      networks: [10.1.0.0/16, 127.0.0.1]
      redirects: 2
      max_result: 512KiB
  text: {command: [cat]}
  mail: {remote: {url: "https://mail.example/send", mode: callback, callback: "https://worker.example/callback", within: 1h, secret: {file: secrets}}}
`

// parseIn parses a config file in a directory with secrets.
func parseIn(t *testing.T, text string) *Config {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"token": "hush-token\n", "empty": "\n",
		"secrets": "whsec_bmV4dC1uZXh0LW5leHQtbmV4dC1uZXh0LW5leHQ=\nwhsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0IQ==\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CUTTER_SECRET", "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0IQ==")
	return parse(filepath.Join(dir, "f.yaml"), []byte(text))
}

func TestRemoteKeysOfAHandler(t *testing.T) {
	c := parseIn(t, remoteSection)
	handlers, err := c.Commands("media", nil)
	if err != nil || c.Err() != nil || len(handlers) != 3 || handlers["video.cut"] == nil || handlers["mail"] == nil {
		t.Fatalf("handlers %v, %v, %v", handlers, err, c.Err())
	}
	want := remote.Config{
		URL: "https://cutter.example/{{payload.project}}/cut", Mode: remote.Jobs, JobsURL: "https://cutter.example/jobs",
		Callback: "https://worker.example/callback",
		Headers:  map[string]string{"X-Tenant": "{{payload.tenant}}"},
		Body: map[string]any{
			"url": "{{payload.url}}", "size": 720, "deep": map[string]any{"fast": true, "list": []any{"{{id}}", 1.5, nil}, "day": "2026-01-02"},
		},
		Idempotent: true, Timeout: 20 * time.Second, RetryWithin: 2 * time.Minute, Interval: 3 * time.Second,
		Networks: []string{"10.1.0.0/16", "127.0.0.1"}, Redirects: 2, MaxResult: 512 << 10,
	}
	if diff := cmp.Diff(want, c.Remote["video.cut"].Config); diff != "" {
		t.Error(diff)
	}
	if c.Remote["mail"].Within != time.Hour || c.Pool.Policies["video.cut"].Timeout != time.Hour || len(c.Handlers) != 1 {
		t.Errorf("%+v, %v, %v", c.Remote["mail"], c.Pool.Policies, c.Handlers)
	}
	// Other keys of the file set these fields, or the binary sets them.
	notInTheSection := []string{"Pool", "Within", "Secrets", "SecretHeaders", "StopWithin", "Logger"}
	v := reflect.ValueOf(c.Remote["video.cut"].Config)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && !slices.Contains(notInTheSection, name) {
			t.Errorf("no key of the file sets %s", name)
		}
	}
}

// All problems are reported at once, also those that only the executor finds.
func TestProblemsOfARemoteSectionNameTheirLineAndKey(t *testing.T) {
	c := parseIn(t, `queues: {default: }
handlers:
  video.cut:
    command: [cat]
    timeout: none
    remote:
      url: https://{{payload.host}}/cut
      mode: callback
      secret: whsec_hush
      headers:
        Authorization: Bearer hush
        X-A: {env: NOT_SET_ANYWHERE}
        X-B: {file: missing}
        X-C: {file: empty}
        X-D: {env: A, file: B}
        Host: a
      body:
        url: {{payload.url}}
        deep:
          - "{{payload.x}} y"
        loop: &loop
          - *loop
      networks:
        - 10.1.0.0/16
        - 10.1.2.3/8
      redirects: 20
      max_result: 2MiB
      retries: 3
  other: {remote: [a]}
  empty: {remote: {}}
  both: {remote: {url: "https://a.example"}, docker: {image: a}}
  named: {remote: {url: "https://a.example", secret: {env: NOT_SET_ANYWHERE, file: ""}}}
`)
	if _, err := c.Commands("media", nil); err != nil {
		t.Fatal(err)
	}
	err := c.Err()
	if err == nil {
		t.Fatal("accepted")
	}
	dir := filepath.Dir(c.file)
	for _, want := range []string{
		"f.yaml:4: handlers.video.cut.command is for a command on this machine: remove it, or remove remote",
		"f.yaml:6: handlers.video.cut.remote needs within",
		"f.yaml:7: handlers.video.cut.remote.url may have templates only as segments of its path",
		"f.yaml:6: handlers.video.cut.remote.callback is missing: give the URL",
		"f.yaml:9: handlers.video.cut.remote.secret must name a variable or a file that has the secret, as in {env: CUTTER_SECRET} or {file: /run/secrets/cutter}",
		"f.yaml:11: handlers.video.cut.remote.headers.Authorization must not have its value here: name a variable or a file that has it, as in {env: NAME} or {file: PATH}",
		`f.yaml:12: handlers.video.cut.remote.headers.X-A names the variable "NOT_SET_ANYWHERE", which is not set: set it`,
		`f.yaml:13: handlers.video.cut.remote.headers.X-B names the file "` + dir + `/missing", which cannot be read: no such file or directory`,
		`f.yaml:14: handlers.video.cut.remote.headers.X-C names the file "` + dir + `/empty", which is empty`,
		"f.yaml:15: handlers.video.cut.remote.headers.X-D must have either env or file",
		"f.yaml:16: handlers.video.cut.remote.headers.Host is set by each request",
		`f.yaml:18: handlers.video.cut.remote.body.url must be text, not a mapping: write a template in quotes, as in "{{payload.url}}"`,
		"f.yaml:20: handlers.video.cut.remote.body.deep[0] must not have text behind the template",
		"handlers.video.cut.remote.body has more than 1000 values",
		"f.yaml:25: handlers.video.cut.remote.networks[1] must be the network 10.0.0.0/8",
		"f.yaml:26: handlers.video.cut.remote.redirects must be from 0 to 10, not 20",
		"f.yaml:27: handlers.video.cut.remote.max_result must be from 128 to 1048576 bytes",
		"f.yaml:28: handlers.video.cut.remote.retries is not a key here; there are url,",
		"f.yaml:29: handlers.other.remote must be a mapping such as {url: https://cutter.example/cut}, not a list",
		"f.yaml:30: handlers.empty.remote.url is missing: give a URL such as",
		"f.yaml:31: handlers.both must have either docker or remote: remove one of them",
		"f.yaml:32: handlers.named.remote.secret",
	} {
		if !strings.Contains(err.Error()+"\n", want) {
			t.Errorf("no problem %q", want)
		}
	}
	if n := strings.Count(err.Error(), "\n"); n != 22 {
		t.Errorf("%d problems, want 22", n)
	}
	if strings.Contains(err.Error(), "hush") {
		t.Error("a message shows a secret")
	}
	if t.Failed() {
		t.Logf("%.6000s", err)
	}
}
