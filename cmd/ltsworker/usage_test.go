package main

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/integration/faultproxy"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

func TestWrongUsageHelpsAndExitsWith2(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	for _, tc := range []struct {
		args string
		want []string
	}{
		{"enque x", []string{`unknown command "enque"`, "Did you mean enqueue?", "Usage: ltsworker COMMAND"}},
		{"help qeues", []string{`unknown command "qeues"`, "Did you mean queues?"}},
		{"help foo", []string{`unknown command "foo"`}},
		{"help run foo", []string{`unknown command "foo"`}},
		{"completion foo", []string{`unknown command "foo"`, "Usage: ltsworker completion SHELL"}},
		{"run typo.yaml", []string{`unexpected argument "typo.yaml"`, "Did you mean -c typo.yaml?"}},
		{"enqueue", []string{"KIND is missing", "Usage: ltsworker enqueue KIND [JSON|-]"}},
		{"enqueue x --quue a", []string{"unknown flag: --quue", "Did you mean --queue?"}},
		{"enqueue x --priority 128", []string{`--priority must be a whole number from -128 to 127, not "128"`}},
		{"enqueue x --max-attempts 9999999999999999999", []string{"--max-attempts must be a whole number that fits"}},
		{"enqueue x --delay 5", []string{"--delay needs a unit, as in 5s or 5m"}},
		{"enqueue x --delay -5s", []string{`--delay must not be negative`}},
		{"enqueue x --at tomorrow", []string{"--at must be a time like 2026-01-31T18:00:00Z"}},
		{"enqueue x --delay 5s --at 2030-01-01T00:00:00Z", []string{"--delay and --at cannot both be set"}},
		{"enqueue k --delay 1h --ttl 1m --deadline 1h", []string{"--ttl must be longer than the delay (1h0m0s)", "--deadline must be longer than the delay"}},
		{"enqueue {x} --id a/{b} --backoff x --header z --ttl 0s --max-attempts 0", []string{
			"KIND must not contain", "--id must not contain", "--backoff must be", "--header must be KEY=VALUE", "--ttl must be more than 0", "--max-attempts must be at least 1"}},
		{"enqueue x {", []string{"the payload is not JSON"}},
		{"enqueue x \"\xff\"", []string{"the payload is not valid UTF-8"}},
		{"enqueue x \"\xed\xa0\x80\"", []string{"the payload is not valid UTF-8"}},
		{"enqueue x --header a=\xff --unique \xc0\xaf", []string{"--header must be in UTF-8", "--unique must be valid UTF-8"}},
		{"stop a --why \xff", []string{"--why must be valid UTF-8"}},
		{"enqueue --batch - --queue a", []string{"not from --queue"}},
		{"enqueue --batch missing.ndjson", []string{"open the batch"}},
		{"enqueue --batch .", []string{"open the batch: . is a directory"}},
		{"stop a --why " + strings.Repeat("x", 2049), []string{"--why is 2049 bytes long; the limit is 2048"}},
		{"get", []string{"a task's ID is missing"}},
		{"get a{b", []string{`the ID "a{b" must not contain`}},
		{"ls --state faild", []string{"did you mean failed?"}},
		{"ls extra", []string{`unexpected argument "extra"`}},
		{"stop", []string{"say which tasks to stop"}},
		{"stop a --state running", []string{"either IDs or flags"}},
		{"retry --state running --yes", []string{"cannot retry running tasks, only those that are succeeded or failed"}},
		{"run-now --state waiting --yes", []string{"cannot run-now waiting tasks, only those that are scheduled"}},
		{"tail --from yesterday", []string{"--from must be 0 or a cursor"}},
		{"limit default -- -3", []string{"the limit must be a whole number from 1"}},
		{"limit default 3 4", []string{"give one limit"}},
		{"limit default 0", []string{"a limit is at least 1; none is no limit"}},
		{"limit default default", []string{"only a group has a default limit"}},
		{"limit --total default", []string{"only a group has a default limit"}},
		{"limit --groups default", []string{"only a group has a default limit"}},
		{"limit default unlimited", []string{"the limit must be a whole number from 1", ", or none, not \"unlimited\""}},
		{"limit --group acme unlimited", []string{"the limit must be a whole number from 1", ", none or default, not \"unlimited\""}},
		{"enqueue --batch - --wait", []string{"--wait does not go with --batch"}},
		{"limit --total --groups 3", []string{"only one of --total, --group and --groups"}},
		{"run", []string{"-c FILE is missing", "Usage: ltsworker run -c FILE"}},
		{"run -c missing.yaml --log-format xml", []string{"--log-format must be one of auto text json"}},
		{"run -c missing.yaml --health 8080", []string{`--health must be HOST:PORT or :PORT, such as 127.0.0.1:8080, not "8080"`}},
		{"drain", []string{"say which replicas to drain"}},
		{"drain a --all", []string{"either ids or --all"}},
		{"drain a --timeout 1s", []string{"--timeout goes with --wait"}},
		{"bench --tasks 0", []string{"--tasks must be from 1"}},
		{"top --every 1ms", []string{"--every must be at least 100ms"}},
		{"top", []string{"top needs a terminal"}},
		{"init a b", []string{`unexpected argument "b"`}},
		{"logs", []string{"a task's ID is missing"}},
		{"logs a b", []string{`unexpected argument "b"`}},
		{"run -c missing.yaml", []string{"open the config file"}},
		{"stats --redis redis://:hunter2@h", []string{"must not hold a password", "LTS_REDIS"}},
		{"stats --redis localhost:6379", []string{"--redis must start with redis://"}},
		{"stats --pool a{b", []string{"--pool must not contain"}},
		{"stats --json=perhaps", []string{"--json must be true or false"}},
		{"demo missing", []string{"cannot use the directory"}},
		{"demo --pool x", []string{"takes no --pool"}},
	} {
		a := u.run(strings.Fields(tc.args)...)
		if a.code != exitUsage || a.out != "" {
			t.Errorf("%s: exit code %d, output %q; want 2 and none\n%s", tc.args, a.code, a.out, a.err)
		}
		for _, want := range tc.want {
			if !strings.Contains(a.err, want) {
				t.Errorf("%s: %q is missing in\n%s", tc.args, want, a.err)
			}
		}
		if strings.Contains(a.err, "hunter2") {
			t.Errorf("%s: the password is shown\n%s", tc.args, a.err)
		}
	}
}

func TestBoundsThatPassBeforeTheTimeAreRefused(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	const says = " must be longer than the time until --at: the task would end before it may start\n"
	a := u.run("enqueue", "x", "--at", "2099-01-01T00:00:00Z", "--ttl", "1h", "--deadline", "1d")
	if want := "ltsworker: --ttl" + says + "--deadline" + says; a.code != exitUsage || a.out != "" || !strings.HasPrefix(a.err, want) {
		t.Errorf("got %+v", a)
	}
	u.write("tasks", `{"kind":"x","id":"a","run_at_ms":4070908800000,"ttl_ms":1000}`+"\n"+`{"kind":"x","id":"b"}`+"\n", 0o600)
	a = u.run("enqueue", "--batch", "tasks")
	if want := "a\trefused: tasks:1: ttl must be longer than the time until run_at: the task would end before it may start\nb\twaiting\n"; a.code == exitDone || a.out != want {
		t.Errorf("got %+v, want %q", a, want)
	}
}

func TestAnEmptyValueIsNotTakenForNone(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x", "--id", "a")
	for flag, commands := range map[string]string{
		"--state": "ls,stop,retry,run-now,delete", "--kind": "ls,stop,retry,delete", "--queue": "ls,stop,retry,delete,enqueue x",
		"--group": "ls,stop,retry,delete,limit,enqueue x", "--from": "tail", "--forget": "queues", "--id": "enqueue x", "--unique": "enqueue x", "--backoff": "enqueue x", "--batch": "enqueue",
		"--pool": "ls,stats,demo,run -c w.yaml", "--redis": "ls,stats,demo,run -c w.yaml",
	} {
		for command := range strings.SplitSeq(commands, ",") {
			if a := u.run(append(strings.Fields(command), flag, "")...); a.code != exitUsage || a.out != "" || !strings.HasPrefix(a.err, "ltsworker: "+flag+" must not be empty\n") {
				t.Errorf("%s %s: %+v", command, flag, a)
			}
		}
	}
	if a := u.run("demo", ""); a.code != exitUsage || !strings.HasPrefix(a.err, "ltsworker: DIR must not be empty\n") {
		t.Errorf("demo: %+v", a)
	}
	for _, queue := range []string{"", " ", ",", "\n", "other\ndefault"} {
		if a := u.run("stop", "--state", "waiting", "--queue", queue, "--yes"); a.code != exitUsage {
			t.Errorf("%q: %+v", queue, a)
		}
	}
	if got := decodeLines[record.Task](t, u.must("get", "a", "--json"))[0].State; got != task.Waiting {
		t.Errorf("the task is %s", got)
	}
	u.env = append(u.env, "LTS_POOL=")
	u.must("stats")
}

func TestRedisThatStopsAnsweringExitsWith3(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.makePool()
	p := faultproxy.Start(t, u.addr)
	u.env[0] = "LTS_REDIS=redis://" + p.Addr() + "/0?read_timeout=5s&max_retries=-1"
	p.StrikeMeanwhile("stats", 1, faultproxy.Nothing, func() { p.Silence() })
	if a := u.run("stats"); a.code != exitUnreachable || !strings.HasPrefix(a.err, "ltsworker: cannot use Redis at "+p.Addr()+": no answer in time: stats: ") {
		t.Errorf("%+v", a)
	}
}

func TestUnreachableRedisExitsWith3AndHidesThePassword(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	u.write("w.yaml", "queues: {default: {}}\nhandlers: {a: {command: [cat]}}\n", 0o600)
	// Nothing listens on port 1 of the loopback interface.
	u.env = []string{"LTS_REDIS=redis://user:hunter2@127.0.0.1:1/0"}
	for _, args := range []string{"stats", "enqueue x", "ls", "tail", "run -c w.yaml", "demo --redis redis://127.0.0.1:1 ."} {
		a := u.run(strings.Fields(args)...)
		if a.code != exitUnreachable || !strings.Contains(a.err, "127.0.0.1:1") || strings.Contains(a.err, "hunter2") {
			t.Errorf("%s: exit code %d\n%s", args, a.code, a.err)
		}
	}
}

func TestHelpGoesToStandardOutput(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	for _, args := range []string{"", "--help", "help run", "help", "help completion bash", "completion", "enqueue --help", "--version"} {
		if a := u.run(strings.Fields(args)...); a.code != 0 || a.out == "" || a.err != "" {
			t.Errorf("%q: exit code %d, %d bytes of output, errors %q", args, a.code, len(a.out), a.err)
		}
	}
	if a := u.run("--help"); strings.Contains(a.out, "demo-replica") {
		t.Error("the help shows the hidden command demo-replica")
	}
}

func TestNothingToShowIsSaid(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.makePool()
	for args, want := range map[string]string{
		"ls": "pool " + u.pool + " holds no task", "ls --kind x": "no task of pool " + u.pool + " matches; 0 tasks read", "replicas": "no replica is alive in pool " + u.pool,
	} {
		for _, more := range []string{"", " --json"} {
			if got := u.run(strings.Fields(args + more)...); got != (answer{0, "", "ltsworker: " + want + "\n"}) {
				t.Errorf("%s%s: %+v", args, more, got)
			}
		}
	}
}
