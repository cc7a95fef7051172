package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/internal/record"
)

// A rule that is stored from another terminal fires, and ends when it is removed.
func TestStoredRulesFromTheCommandLine(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	url, got := hook(t)
	u.write("alerts.yaml", `alerts:
  interval: 1s
  receivers: {ops: {webhook: {url: "`+url+`"}, networks: [127.0.0.1]}}
  rules: {calm: {when: waiting, over: 1000}}
`, 0o600)
	u.must("enqueue", "k", "{}", "--queue", "mail.out")
	u.must("enqueue", "k", "{}", "--queue", "mail.out")
	if a := u.run("alert", "set", "calm", "--when", "waiting"); a.code != exitDone || a.out != "calm set: when waiting\n" || !strings.Contains(a.err, "no process runs alert rules") {
		t.Errorf("%+v", a)
	}
	run, log := u.command("alert", "run", "-c", "alerts.yaml"), &output{}
	run.Stderr = log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Process.Signal(os.Interrupt); run.Wait() })
	u.until("the rules of the file", func() bool { return strings.Contains(u.must("alert", "rules"), "calm  file") })
	a := u.run("alert", "set", "depth", "--when", "waiting", "--over", "1", "--queues", "mail.*,video", "--to", "ops,opps", "--severity", "critical")
	if a.code != exitDone || a.out != "depth set: when waiting, over 1, queues mail.* video, severity critical, to ops opps\n" ||
		!strings.Contains(a.err, "note: stored rule depth: the process that runs the rules has no receiver opps; did you mean ops?") {
		t.Errorf("%+v", a)
	}
	u.until("the alert", func() bool { return strings.Contains(got(), `"rule":"depth"`) })
	u.until("the log names the receiver", func() bool {
		return log.has("a stored alert rule has a problem") && log.has("did you mean ops?")
	})
	want := []string{"calm file ", "depth stored the process that runs the rules has no receiver opps; did you mean ops?",
		"calm stored it is not used: the config of the process that runs the rules has a rule with this name"}
	for _, args := range [][]string{{"alert", "rules", "--json"}, {"alert", "rules", "--json", "-c", "alerts.yaml"}} {
		var have []string
		for _, r := range decodeLines[ruleRecord](t, u.must(args...)) {
			have = append(have, r.Name+" "+r.From+" "+r.Problem)
			if fires := r.Name == "depth"; r.Fires != fires {
				t.Errorf("%+v", r)
			}
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%v\n%s", args, diff)
		}
	}
	if a := u.run("alert", "ls"); !strings.Contains(a.out, "depth") || strings.Count(a.err, "note: stored rule") != 2 {
		t.Errorf("%+v", a)
	}
	var r record.AlertRule
	if err := json.Unmarshal([]byte(u.must("alert", "set", "depth", "--when", "waiting", "--over", "1", "--recovery=true", "--json")), &r); err != nil || r.From != "stored" || r.Definition.Over != "1" || r.Problem != "" || r.SetAt == "" {
		t.Errorf("%+v, %v", r, err)
	}
	if out := u.must("alert", "rm", "depth", "calm"); out != "depth removed\ncalm removed\n" {
		t.Error(out)
	}
	u.until("the end of the alert", func() bool { return strings.Contains(got(), "because the rule was removed") })
	if out := u.must("alert", "history"); !strings.Contains(out, "rule removed") || !strings.Contains(out, "depth: when waiting, over 1; before: when waiting, over 1, queues mail.* video") {
		t.Error(out)
	}
	for name, want := range map[string]string{"calm": "the config of the process that runs the rules has it", "depht": "no such stored alert rule; the pool has none"} {
		if a := u.run("alert", "rm", name); a.code != exitFailed || !strings.Contains(a.err, want) {
			t.Errorf("%+v", a)
		}
	}
}

func TestMistakesInStoredRulesAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	a := u.run("alert", "set", "bad name", "--when", "oldest_wiat", "--window", "1", "--min", "few", "--for", "0s", "--severity", "critcal", "--to", "{x}")
	if a.code != exitUsage || strings.Contains(a.err, "Usage:") {
		t.Errorf("%+v", a)
	}
	for _, want := range []string{"NAME ", `--when is not a condition: "oldest_wiat"; did you mean oldest_wait?`, "--window needs a unit, as in 1s or 1m", `--min must be a whole number, not "few"`,
		"--for must be more than 0", "--severity must be info, warning or critical", `--to has "{x}"`} {
		if !strings.Contains(a.err, want) {
			t.Errorf("no %q in\n%s", want, a.err)
		}
	}
	if a := u.run("alert", "set", "r", "--when", "replicas", "--over", "2"); a.code != exitUsage || !strings.Contains(a.err, "--over is not for --when replicas, which alerts below its limit; write --under") {
		t.Errorf("%+v", a)
	}
	if a := u.run("alert", "rules"); !strings.Contains(a.err, "no stored alert rule") {
		t.Errorf("%+v", a)
	}
	u.must("alert", "set", "wait", "--when", "oldest_wait", "--over", "15m")
	if a := u.run("alert", "rm", "wiat"); a.code != exitFailed || !strings.Contains(a.err, "did you mean wait?") {
		t.Errorf("%+v", a)
	}
	// Each key of a rule is a flag.
	help := u.must("alert", "set", "--help")
	for _, key := range alert.DefinitionKeys {
		if !strings.Contains(help, "--"+key+" ") {
			t.Errorf("no flag --%s", key)
		}
	}
}
