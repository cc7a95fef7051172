package config

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/alert"
)

const wholeAlerts = `
pool: media
alerts:
  interval: 30s
  console_url: https://tasks.example
  errors: false
  receivers:
    ding: {dingtalk: {url: {env: DING_URL}, secret: {env: DING_SECRET}, keyword: tasks}, lang: zh, per_minute: 10}
    wx.ops: {wecom: {url: {file: wecom}}}
    fs: {feishu: {url: {env: DING_URL}, secret: {env: DING_SECRET}}}
    hook: {webhook: {url: "https://hooks.example", secret: {env: HOOK_SECRET}, headers: {X-Team: a, Authorization: {env: DING_SECRET, prefix: "Bearer "}}}, networks: [10.0.0.0/8]}
    am: {alertmanager: {url: "http://am:9093"}}
    post: {mail: {host: "smtp.example:587", from: a@example.com, to: [b@example.com], user: u, password: {env: DING_SECRET}, tls: starttls}}
  rules:
    failures: {when: failed_share, over: 12.5%, window: 5m, min: 20, for: 2m, keep: 3m, repeat: none, kinds: [video.*], queues: [q], groups: [g], by: [queue, kind], severity: critical, to: [ding, hook], recovery: false}
    any.failure: {when: failed, over: 0, repeat: 1h}
    wait: {when: oldest_wait, over: 20m}
    few: {when: replicas, under: 3}
`

func alertsFile(t *testing.T, text string) *Config {
	t.Helper()
	t.Setenv("DING_URL", "https://oapi.dingtalk.com/robot/send?access_token=x")
	t.Setenv("DING_SECRET", "SECx")
	t.Setenv("HOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=")
	dir := t.TempDir()
	file := filepath.Join(dir, "a.yaml")
	for name, text := range map[string]string{file: text, filepath.Join(dir, "wecom"): "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := ReadAlerts(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAlertsOfAFileSayWhatTheySay(t *testing.T) {
	c := alertsFile(t, wholeAlerts)
	o := c.OpenAlerts(slog.New(slog.DiscardHandler))
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	want := []alert.Rule{
		{Name: "failures", When: alert.FailedShare, Threshold: 0.125, Window: 5 * time.Minute, Min: 20, For: 2 * time.Minute, Keep: 3 * time.Minute, Repeat: alert.Never,
			Kinds: []string{"video.*"}, Queues: []string{"q"}, Groups: []string{"g"}, By: []string{"queue", "kind"}, Severity: alert.Critical, To: []string{"ding", "hook"}, NoRecovery: true},
		{Name: "any.failure", When: alert.Failed, Threshold: 0.5, Repeat: time.Hour},
		{Name: "wait", When: alert.OldestWait, Threshold: 1200},
		{Name: "few", When: alert.Replicas, Threshold: 3},
	}
	if diff := cmp.Diff(want, o.Rules); diff != "" {
		t.Error(diff)
	}
	if o.Interval != 30*time.Second || o.Console != "https://tasks.example" || !o.HideErrors || len(o.Receivers) != 6 {
		t.Errorf("%+v", o)
	}
	for name, kind := range map[string]string{"ding": "dingtalk", "wx.ops": "wecom", "fs": "feishu", "hook": "webhook", "am": "alertmanager", "post": "mail"} {
		if r := o.Receivers[name]; r.Channel == nil || r.Channel.Kind() != kind {
			t.Errorf("%s is %+v", name, r)
		}
	}
	if r := o.Receivers["ding"]; r.Lang != alert.Chinese || r.PerMinute != 10 {
		t.Errorf("%+v", r)
	}
}

func TestAlertsWithoutRulesHaveTheDefaultOnes(t *testing.T) {
	c := alertsFile(t, `alerts: {receivers: {hook: {webhook: {url: "https://hooks.example"}}}}`)
	if o := c.OpenAlerts(nil); c.Err() != nil || len(o.Rules) != len(alert.DefaultRules()) {
		t.Errorf("%v, %+v", c.Err(), o)
	}
	c = alertsFile(t, `alerts: {receivers: {hook: {webhook: {url: "https://hooks.example"}}}, rules: {}}`)
	if o := c.OpenAlerts(nil); c.Err() != nil || len(o.Rules) != 0 {
		t.Errorf("an empty map: %v, %+v", c.Err(), o)
	}
	if c := alertsFile(t, "pool: a"); c.Err() == nil || !strings.Contains(c.Err().Error(), "alerts is missing") {
		t.Error(c.Err())
	}
}

func TestAllMistakesOfAlertsAreReportedAtOnceWithTheirLines(t *testing.T) {
	c := alertsFile(t, `alerts:
  intervall: 15s
  interval: 1ms
  receivers:
    a: {webhook: {url: ftp://x}, lang: fr}
    b: {dingtalk: {url: "https://oapi.dingtalk.com/robot/send?access_token=SECRETVALUE"}}
    c: {wecom: {url: {env: NOT_SET}}}
    d: {lang: en}
    e: {mail: {host: smtp.example, from: x, to: [b@example.com], tls: none}, networks: [lan]}
    f: {webhook: {url: "https://x", headers: {Authorization: "Bearer SECRETVALUE"}}}
  rules:
    one: {when: oldest_wiat}
    two.x: {when: oldest_wait, over: 5}
    three: {when: failed_share, over: 0.5}
    four: {when: watchdog, over: 1, to: [zz]}
    five: {over: 1}
    six: {when: waiting, under: 1, kinds: [k]}
    seven: {when: waiting, by: [queue], keep: 2d}
`)
	c.OpenAlerts(nil)
	err := c.Err()
	if err == nil || strings.Contains(err.Error(), "SECRETVALUE") || strings.Count(err.Error(), "rules.five") != 1 {
		t.Fatal(err)
	}
	for _, want := range []string{
		":2: alerts.intervall is not a key here; did you mean interval?", ":3: alerts.interval must be from 1s to 10m",
		":5: alerts.receivers.a.webhook.url must be a URL", ":5: alerts.receivers.a.lang must be en or zh",
		":6: alerts.receivers.b.dingtalk.url must name a variable or a file", `:7: alerts.receivers.c.wecom.url names the variable "NOT_SET"`,
		":8: alerts.receivers.d must have one of webhook", ":9: alerts.receivers.e.mail.from must be an address", ":9: alerts.receivers.e.networks[0] must be",
		":10: alerts.receivers.f.webhook.headers.Authorization must name a variable",
		":12: alerts.rules.one.when is not a condition", "did you mean oldest_wait?", ":13: alerts.rules.two.x.over needs a unit, as in 5s or 5m",
		":14: alerts.rules.three.over must be a percentage such as 90%", ":15: alerts.rules.four.over is not for watchdog", `:15: alerts.rules.four.to names "zz"`,
		":16: alerts.rules.five.when is missing", ":17: alerts.rules.six.under is only for when: replicas", ":17: alerts.rules.six.kinds is not for waiting",
		":18: alerts.rules.seven.by is only for conditions that count events, not for waiting", ":18: alerts.rules.seven.keep must be from 0 to 24h, not 2d",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}
