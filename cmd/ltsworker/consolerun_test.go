package main

import (
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// addressOf waits until a log line has the text, and returns its field.
func (r *replica) addressOf(text, field string) string {
	r.t.Helper()
	line := decodeLines[map[string]any](r.t, r.await(text)+"\n")[0]
	address, _ := line[field].(string)
	return address
}

func TestReplicaServesTheConsole(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.env = append(u.env, "LTS_OIDC_SECRET=hush")
	u.write("w.yaml", `queues: {default: {workers: 1}}
handlers: {env: {command: [env]}}
console:
  listen: 127.0.0.1:0
  open: true
  trace_url: https://traces.example/{trace_id}
  metrics: 127.0.0.1:0
`, 0o600)
	r := u.startWith("w.yaml")
	metricsAt := "http://" + r.addressOf("metrics of the console", "address") + "/metrics"
	console := r.addressOf(`"msg":"console"`, "url")
	u.awaitReplicas(1)
	if out := u.must("enqueue", "env", "--id", "a", "--wait", "--header", "traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"); strings.Contains(out, "hush") {
		t.Error("a command inherits the secret of the console")
	}
	code, body := fetch(t, console+"p/"+u.pool+"/task?id=a")
	if code != http.StatusOK || !strings.Contains(body, "https://traces.example/4bf92f3577b34da6a3ce929d0e0e4736") {
		t.Errorf("%d %s", code, body)
	}
	if code, body := fetch(t, metricsAt); code != http.StatusOK || !strings.Contains(body, `ltsworker_pool_replicas{pool="`+u.pool+`"} 1`) {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := fetch(t, strings.TrimSuffix(metricsAt, "metrics")); code != http.StatusNotFound {
		t.Errorf("the listener of the metrics answers %d to another path", code)
	}
	if code, _ := fetch(t, console+"metrics"); code == http.StatusOK {
		t.Error("the console serves the metrics, too")
	}
	r.signal(syscall.SIGTERM)
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := http.Get(console); err == nil {
		t.Error("the console has not ended")
	}
}

func TestFlagOfTheConsoleMakesAUser(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("w.yaml", "queues: {default: {workers: 1}}\nhandlers: {echo: {command: [cat]}}\n", 0o600)
	r := u.startWith("w.yaml", "--console", "127.0.0.1:0")
	if code, body := fetch(t, r.addressOf(`"msg":"console"`, "url")); code != http.StatusOK || !strings.Contains(body, `type="password"`) {
		t.Errorf("%d %s", code, body)
	}
	if _, err := os.Stat(u.dir + "/" + defaultUsersFile); err != nil {
		t.Error(err)
	}
}

// The metrics of a console have the state of all its pools.
func TestConsoleServesMetricsOfItsPools(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "k")
	u.write("c.yaml", "listen: 127.0.0.1:0\nopen: true\nmetrics: 127.0.0.1:0\npools: ["+u.pool+", other]\n", 0o600)
	r := u.startConsole("c.yaml")
	_, body := fetch(t, "http://"+r.addressOf("metrics of the console", "address")+"/metrics")
	for _, want := range []string{`ltsworker_queue_waiting_tasks{pool="` + u.pool + `",queue="default"} 1`, `ltsworker_pool_up{pool="other"} 1`} {
		if !strings.Contains(body, want) {
			t.Errorf("without %s:\n%s", want, body)
		}
	}
}

// A console whose address of the metrics is in use ends with an error that names the address.
func TestMetricsOfTheConsoleNeedAFreeAddress(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u := newUser(t)
	u.write("c.yaml", "listen: 127.0.0.1:0\nopen: true\nmetrics: "+l.Addr().String()+"\n", 0o600)
	if a := u.run("console", "-c", "c.yaml"); a.code == 0 || !strings.Contains(a.err, "metrics of the console: listen tcp "+l.Addr().String()) || strings.Contains(a.err, "panic") {
		t.Errorf("%+v", a)
	}
}

func TestSectionOfTheConsoleIsChecked(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for section, want := range map[string]string{
		"console:\n  listn: x\n  oidc: {isuer: x}\n": "w.yaml:4: console.listn is not a key here; did you mean listen?\nw.yaml:5: console.oidc.isuer is not a key here; did you mean issuer?", "console: yes\n": "w.yaml:3: console must be a mapping", "console: {metrics: x}\n": "metrics must be HOST:PORT",
		"console: {listen: \"0.0.0.0:0\", open: true}\n": "listen", "console: {trace_url: \"javascript:x\"}\n": "trace_url must be an address with http or https",
		"console: {tls: {cert: x}}\n": "tls needs both cert and key", "console: {pools: [a, b, a]}\n": "pools has a twice", "console: {pools: [a, a]}\n": "pools has a twice",
	} {
		u.write("w.yaml", "queues: {default: {workers: 1}}\nhandlers: {echo: {command: [cat]}}\n"+section, 0o600)
		if a := u.run("run", "-c", "w.yaml"); a.code != exitUsage || !strings.Contains(a.err, want) {
			t.Errorf("%s%+v", section, a)
		}
	}
	if a := u.run("run", "-c", "w.yaml", "--console", "x"); a.code != exitUsage || !strings.Contains(a.err, "--console must be HOST:PORT") {
		t.Errorf("%+v", a)
	}
}

// All unknown keys of a config file of the console are named at once.
func TestUnknownKeysOfTheConsoleAreNamed(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("c.yaml", "open: true\nlistn: x\nproxy:\n  form: [10.0.0.1]\n  grants: {everyone: {\"*\": viewr}}\nzzz: 1\n", 0o600)
	a := u.run("console", "-c", "c.yaml")
	for _, want := range []string{"c.yaml:2: listn is not a key here; did you mean listen?", "c.yaml:4: proxy.form is not a key here; did you mean from?",
		"c.yaml:6: zzz is not a key here; there are alerts, archive", "line 5", "must be one of none, viewer"} {
		if a.code != exitUsage || !strings.Contains(a.err, want) {
			t.Errorf("without %q: %+v", want, a)
		}
	}
	if strings.Contains(a.err, "main.") {
		t.Errorf("the message has a type of the program: %s", a.err)
	}
	for _, empty := range []string{"", "# nothing\n"} {
		u.write("c.yaml", empty, 0o600)
		if a := u.run("console", "-c", "c.yaml", "--listen", "x"); !strings.Contains(a.err, "--listen") {
			t.Errorf("%q: %+v", empty, a)
		}
	}
}

// startConsole runs a console with a config file of the user.
func (u *user) startConsole(file string) *replica {
	u.t.Helper()
	return u.startLogged(u.command("console", "-c", file))
}
