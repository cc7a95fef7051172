package metrics_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ltsworker/ltsworker/observe/metrics"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// program returns the path of a program of Prometheus.
func program(t testing.TB, name string) string {
	t.Helper()
	if dir := os.Getenv("PROMETHEUS_BIN"); dir != "" {
		name = filepath.Join(dir, name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("this test needs prometheus and promtool: %v; install them (Debian and Ubuntu: apt-get install prometheus; "+
			"macOS: brew install prometheus; else https://prometheus.io/download/), or name their directory in PROMETHEUS_BIN", err)
	}
	return path
}

// promtool runs promtool, which must succeed and print nothing about a problem.
func promtool(t testing.TB, input string, args ...string) (output string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t, "promtool"), args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// everything returns a collector with a series of every metric.
func everything(t *testing.T) *metrics.Collector {
	t.Helper()
	s := newSite(t)
	p := s.pool(pool.Config{Queues: map[string]pool.Queue{"q": {Workers: 2, Limit: 3, MaxLen: 1000}}, OnFinish: func(context.Context, pool.Event) {}})
	c := metrics.NewCollector(p, fresh)
	p.HandleKind("ok", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	s.serve(p)
	client := s.client()
	s.enqueue(client, pool.Spec{Kind: "ok", Queue: "q"})
	s.fireOnce(p, pool.Spec{Kind: "ok", Queue: "q"})
	h := c.Handler()
	eventually(t, "both tasks", func() bool { return scrape(t, h)[`ltsworker_attempts_ended_total{code="ok",kind="ok",queue="q"}`] == 2 })
	return c
}

func TestMetricsPassPromtool(t *testing.T) {
	t.Parallel()
	body, _ := get(t, everything(t).Handler(), "/metrics")
	var ours strings.Builder // the lint also has rules for metrics of the Go runtime
	for line := range strings.Lines(body) {
		if strings.Contains(line, "ltsworker_") {
			ours.WriteString(line)
		}
	}
	if n := strings.Count(ours.String(), "# HELP"); n < 40 {
		t.Fatalf("only %d metrics:\n%s", n, body)
	}
	if out := promtool(t, ours.String(), "check", "metrics"); out != "" {
		t.Errorf("promtool check metrics: %s", out)
	}
}

// Histograms have native buckets for servers that scrape them, beside the classic ones.
func TestHistogramsAreNativeAndClassic(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	r.MustRegister(everything(t))
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range families {
		if f.GetType() != dto.MetricType_HISTOGRAM {
			continue
		}
		n++
		h := f.GetMetric()[0].GetHistogram()
		if len(h.GetBucket()) < 10 || h.Schema == nil || h.GetSampleCount() > 0 && len(h.GetPositiveSpan()) == 0 && h.GetZeroCount() == 0 {
			t.Errorf("%s: %v", f.GetName(), h)
		}
	}
	if n != 4 {
		t.Errorf("%d histograms", n)
	}
}

// server is a Prometheus that scrapes targets with the rules of deploy.
type server struct {
	t   *testing.T
	url string
}

func startPrometheus(t *testing.T, targets ...string) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	dir := t.TempDir()
	rules, err := filepath.Abs("../../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs:\n- job_name: ltsworker\n  static_configs: [{targets: [%s]}]\n",
		rules, strings.Join(targets, ", "))
	file := filepath.Join(dir, "prometheus.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(program(t, "prometheus"), "--config.file", file, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", addr)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	s := &server{t, "http://" + addr}
	eventually(t, "Prometheus", func() bool {
		r, err := http.Get(s.url + "/-/ready")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	return s
}

// query returns the value of a query with one result; an error if it has none or several.
func (s *server) query(q string) (float64, error) {
	r, err := http.Get(s.url + "/api/v1/query?query=" + url.QueryEscape(q))
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	var got struct {
		Error string
		Data  struct{ Result []struct{ Value [2]any } }
	}
	if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
		return 0, err
	}
	if len(got.Data.Result) != 1 {
		return 0, fmt.Errorf("%s: %d results %s", q, len(got.Data.Result), got.Error)
	}
	text, ok := got.Data.Result[0].Value[1].(string)
	if !ok {
		return 0, errors.New("no text")
	}
	return strconv.ParseFloat(text, 64)
}

// await waits until a query has the value.
func (s *server) await(q string, want float64) {
	s.t.Helper()
	eventually(s.t, fmt.Sprint(q, " = ", want), func() bool {
		got, err := s.query(q)
		return err == nil && got == want
	})
}

// Three replicas that a real Prometheus scrapes: the queries of the documentation add up what the
// replicas did, and do not triple the state of the pool. They hold also if one process exports it.
func TestThreeReplicasDoNotTripleTheDepth(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	closed := make(chan struct{})
	addresses := map[bool][]string{} // of handlers, by whether each of them exports the state of the pool
	for i := range 3 {
		p := s.pool(pool.Config{Queues: map[string]pool.Queue{"q": {Workers: 2}}})
		one := metrics.NewCollector(p, metrics.Options{WithoutPool: i > 0})
		all := metrics.NewCollector(p, metrics.Options{})
		p.HandleKind("k", func(context.Context, *task.Task) ([]byte, error) { <-closed; return nil, nil })
		s.serve(p)
		for pooled, c := range map[bool]*metrics.Collector{false: one, true: all} {
			web := httptest.NewServer(c.Handler())
			t.Cleanup(web.Close)
			addresses[pooled] = append(addresses[pooled], strings.TrimPrefix(web.URL, "http://"))
		}
	}
	client := s.client()
	specs := make([]pool.Spec, 13)
	for i := range specs {
		specs[i] = pool.Spec{Kind: "k", Queue: "q"}
	}
	s.enqueue(client, specs...)
	everywhere, once := startPrometheus(t, addresses[true]...), startPrometheus(t, addresses[false]...)
	everywhere.await(`sum(ltsworker_queue_waiting_tasks{queue="q"})`, 21) // what a query must not do
	for _, p := range []*server{everywhere, once} {
		p.await(`max by (pool, queue) (ltsworker_queue_waiting_tasks{queue="q"})`, 7)
		p.await(`max by (pool, queue) (ltsworker_queue_running_tasks{queue="q"})`, 6)
		p.await(`sum by (pool) (ltsworker_replica_slots)`, 6)
		p.await(`sum by (pool) (ltsworker_replica_running)`, 6)
		p.await(`sum by (pool, queue) (ltsworker_attempts_started_total{queue="q"})`, 6)
		p.await(`max by (pool) (ltsworker_pool_replicas)`, 3)
	}
	close(closed)
	for _, p := range []*server{everywhere, once} {
		p.await(`max by (pool, queue) (ltsworker_queue_waiting_tasks{queue="q"})`, 0)
		p.await(`max by (pool) (ltsworker_pool_tasks_ended_total{state="succeeded"})`, 13)
		p.await(`sum by (pool) (ltsworker_attempts_ended_total{code="ok"})`, 13)
	}
}
