package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/internal/egress"
	"github.com/ltsworker/ltsworker/task"
)

func TestJobIsStartedPolledAndRead(t *testing.T) {
	s, _ := serveFarm(t)
	tk := newTask(`{"state":"succeeded"}`)
	result, err := s.handler(t, asJobs, func(c *Config) {
		c.URL, c.JobsURL = s.URL+"/start/{{id}}", s.URL+"/jobs"
		c.Headers = map[string]string{"X-Task": "{{id}}", "X-Fixed": "f"}
		c.SecretHeaders = map[string]string{"Authorization": "Bearer x"}
	})(t.Context(), tk)
	if err != nil || !strings.HasPrefix(string(result), `{"ref":"ref-lts-media-7-`) {
		t.Fatalf("%q, %v", result, err)
	}
	if string(tk.Progress) != `{"done":0.5}` || tk.Log != "all\n" {
		t.Errorf("progress %s, log %q", tk.Progress, tk.Log)
	}
	ids := map[string]bool{}
	all := s.all() // a poll may arrive later
	for i, r := range all {
		verify(t, r)
		ids[r.Header.Get("Webhook-Id")] = true
		path, x := "/jobs", ""
		if i == 0 {
			path, x = "/start/t-1", "t-1"
		}
		if r.URL.Path != path || r.Header.Get("X-Task") != x || r.Header.Get("X-Fixed") != "f" || r.Header.Get("Authorization") != "Bearer x" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
	}
	if k := s.kinds(t); k["task.start"] != 1 || k["task.status"] < 2 || k["task.output"] != 1 || k["task.stop"] != 0 || len(ids) != len(all) {
		t.Errorf("%v, %d ids", k, len(ids))
	}
}

func TestStateOfAJobDecidesAboutTheAttempt(t *testing.T) {
	for payload, want := range map[string]struct {
		text string
		task.Disposition
	}{
		`{"state":"failed","error":"no space"}`:                     {"no space", task.Disposition{}},
		`{"state":"failed"}`:                                        {"the job failed", task.Disposition{}},
		`{"state":"failed","error":"bad","permanent":true}`:         {"bad", task.Disposition{Permanent: true}},
		`{"state":"failed","error":"busy","delay_ms":7000}`:         {"busy", task.Disposition{Delay: 7 * time.Second, DelaySet: true}},
		`{"state":"failed","error":"` + secret + `","delay_ms":-1}`: {"[removed]", task.Disposition{DelaySet: true}},
		`{"state":"gone"}`:                                          {"is gone", task.Disposition{}},
	} {
		s, _ := serveFarm(t)
		_, err := s.handler(t, asJobs)(t.Context(), newTask(payload))
		if err == nil || !strings.Contains(err.Error(), want.text) || task.DispositionOf(err) != want.Disposition || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

// The service gets a start again if its answer was lost or says nothing about the job.
func TestStartIsRepeatedWithItsName(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"cut": func(w http.ResponseWriter) { conn, _, _ := w.(http.Hijacker).Hijack(); conn.Close() },
		"500": func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		"503 later": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "9")
			w.WriteHeader(http.StatusServiceUnavailable)
		},
		"no JSON":  func(w http.ResponseWriter) { io.WriteString(w, "<html>") },
		"long ref": func(w http.ResponseWriter) { io.WriteString(w, `{"ref":"`+strings.Repeat("r", 513)+`"}`) },
		"endless": func(w http.ResponseWriter) {
			for _, err := w.Write(nil); err == nil; {
				_, err = io.WriteString(w, strings.Repeat(" ", 64<<10))
			}
		},
	} {
		s, f := serveFarm(t)
		starts := 0
		f.before = func(w http.ResponseWriter, kind string, m map[string]any) bool {
			if kind == "task.start" {
				if starts++; starts == 1 {
					f.jobs[m["name"].(string)] = `{"state":"succeeded"}`
					answer(w)
					return true
				}
			}
			return false
		}
		if _, err := s.handler(t, asJobs)(t.Context(), newTask(`{"state":"failed"}`)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if all := s.all(); starts != 2 || all[0].Header.Get("Webhook-Id") != all[1].Header.Get("Webhook-Id") || len(f.jobs) != 1 {
			t.Errorf("%s: %d starts, %d jobs", name, starts, len(f.jobs))
		}
	}
}

func TestRefusedStartEndsTheAttempt(t *testing.T) {
	delayed := task.Disposition{Delay: 7 * time.Second, DelaySet: true}
	for status, want := range map[int]task.Disposition{302: {}, 400: {Permanent: true}, 401: {}, 403: {}, 407: {}, 408: {}, 429: delayed} {
		s, f := serveFarm(t)
		f.before = func(w http.ResponseWriter, _ string, _ map[string]any) bool {
			if want.DelaySet {
				w.Header().Set("Retry-After", "7")
			}
			w.WriteHeader(status)
			return true
		}
		if _, err := s.handler(t, asJobs)(t.Context(), newTask(`1`)); task.DispositionOf(err) != want || len(s.all()) != 1 {
			t.Errorf("%d: %v after %d requests", status, err, len(s.all()))
		}
	}
	s, _ := serveFarm(t)
	if _, err := s.handler(t, asJobs, func(c *Config) { c.Networks = nil })(t.Context(), newTask(`1`)); !errors.Is(err, egress.ErrAddress) || len(s.all()) != 0 {
		t.Error(err)
	}
}

func TestStopIsConfirmedByTheService(t *testing.T) {
	s, f := serveFarm(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	stops := 0
	f.before = func(w http.ResponseWriter, kind string, m map[string]any) bool {
		switch kind {
		case "task.status":
			cancel(task.ErrStopped)
		case "task.stop":
			if stops++; stops == 1 {
				w.WriteHeader(http.StatusAccepted)
				return true
			}
		}
		return false
	}
	_, err := s.handler(t, asJobs)(ctx, newTask(`{"state":"running"}`))
	if !errors.Is(err, task.ErrStopped) || errors.Is(err, async.ErrOrphan) || !strings.Contains(err.Error(), "stopped") || stops != 2 {
		t.Errorf("%v after %d requests for a stop", err, stops)
	}
}

// A job about which the service says something unusable delays no other job.
func TestAnswerAboutOneJobDelaysNoOther(t *testing.T) {
	for name, bad := range map[string]string{
		"state":   `{"state":"melting"}`,
		"type":    `{"state":7}`,
		"no JSON": `"text"`,
		"nothing": `null`,
	} {
		s, f := serveFarm(t)
		h := s.handler(t, asJobs)
		done := make(chan error, 1)
		go func() {
			tk := newTask(bad)
			tk.ID = "bad"
			_, err := h(t.Context(), tk)
			done <- err
		}()
		if _, err := h(t.Context(), newTask(`{"state":"succeeded"}`)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		f.with(func() {
			for _, job := range slices.Collect(maps.Keys(f.jobs)) {
				f.jobs[job] = `{"state":"succeeded"}`
			}
		})
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStateThatIsASecretIsNotShown(t *testing.T) {
	s, err := newService(Config{Pool: "media", URL: "https://cutter.example", Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	if got := (&executor{s}).status([]byte(`{"state":"` + secret + `"}`)); got.State != async.Unknown || strings.Contains(got.Err.Error(), secret) {
		t.Errorf("%+v", got)
	}
}

// A job that makes every request fail that is about it delays no other job.
func TestRequestThatFailsForOneJobDelaysNoOther(t *testing.T) {
	s, f := serveFarm(t)
	var bad string
	f.before = func(w http.ResponseWriter, kind string, m map[string]any) bool {
		if kind == "task.start" && bad == "" {
			bad = m["name"].(string)
		}
		if b, _ := json.Marshal(m["jobs"]); kind != "task.status" || !strings.Contains(string(b), bad) {
			return false
		}
		io.WriteString(w, `{"jobs":`)
		return true
	}
	h := s.handler(t, asJobs)
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		tk := newTask(`{"state":"succeeded"}`)
		tk.ID = "bad"
		_, err := h(ctx, tk)
		done <- err
	}()
	for s.log.count("cannot be polled") == 0 {
		time.Sleep(time.Millisecond) // a pause between two looks at the condition
	}
	if _, err := h(t.Context(), newTask(`{"state":"succeeded"}`)); err != nil {
		t.Error(err)
	}
	cancel(task.ErrShutdown)
	<-done
	if s.log.count("cannot be polled") != 1 {
		t.Errorf("logged\n%s", s.log.all())
	}
}

func TestOutputOverTheLimitIsCutExportedOrFailsTheTask(t *testing.T) {
	for output, want := range map[string]string{
		`{"result_text":"` + strings.Repeat("x", 1001) + `","log":"l"}`: "[cut: 974 of 1001 bytes]",
		`{"result_text":"` + strings.Repeat("x", 1<<20) + `"}`:          "", // over the limit of an answer
	} {
		for _, large := range []task.LargeResult{"", task.FailLargeResult, task.ExportLargeResult} {
			s, f := serveFarm(t)
			f.before = func(w http.ResponseWriter, kind string, _ map[string]any) bool {
				if kind != "task.output" {
					return false
				}
				io.WriteString(w, output)
				return true
			}
			tk := newTask(`{"state":"succeeded"}`)
			tk.LargeResult = large
			result, err := s.handler(t, asJobs, func(c *Config) { c.MaxResult = 1000 })(t.Context(), tk)
			if large == task.ExportLargeResult {
				if err != nil || strings.Trim(string(result), "x") != "" || len(result) < 1001 {
					t.Errorf("to export: %.40q of %d bytes, %v", result, len(result), err)
				}
				continue
			}
			if cut := want != "" && large == ""; cut != (err == nil) || cut && (len(result) > 1000 || !strings.HasSuffix(string(result), want)) || s.kinds(t)["task.output"] != 1 {
				t.Errorf("%q: %.40q, %v, %v", large, result[max(0, len(result)-40):], err, s.kinds(t))
			}
		}
	}
}

func TestStartAndDetach(t *testing.T) {
	s := serve(t, nil)
	change := func(c *Config) { c.Mode, c.Callback = Callback, "https://worker.example/callback/" }
	_, err := s.handler(t, change)(t.Context(), newTask(`{"a":1}`))
	if d := task.DispositionOf(err); !d.Detach || d.Delay != time.Hour {
		t.Errorf("%v: %+v", err, d)
	}
	m := fields(t, s.all()[0].body)
	token, ok := strings.CutPrefix(fmt.Sprint(m["callback"]), "https://worker.example/callback/")
	if id, _, err := task.ParseToken(token); !ok || err != nil || id != "t-1" || m["type"] != "task.start" {
		t.Errorf("%v, %q, %v", m, id, err)
	}
	_, err = s.handler(t, change, func(c *Config) { c.Within = time.Minute })(t.Context(), newTask(`{"a":1}`))
	if d := task.DispositionOf(err); d.Delay != time.Minute {
		t.Errorf("%v: %+v", err, d)
	}
	forever := newTask(`{"a":1}`)
	forever.TimeLeft = task.Forever
	if _, err = s.handler(t, change)(t.Context(), forever); !task.DispositionOf(err).Permanent || len(s.all()) != 2 {
		t.Errorf("without a time limit: %v", err)
	}
}

// A start that was interrupted by a lost lease is found again; a failed one is not.
func TestStartOfTheNextOwnerHasTheSameID(t *testing.T) {
	s := serve(t, nil)
	h := s.handler(t, func(c *Config) { c.Mode, c.Callback = Callback, "https://worker.example/callback" })
	for _, change := range []func(*task.Task){
		func(*task.Task) {},
		func(tk *task.Task) { tk.Attempt, tk.Lost = 2, 1 },
		func(tk *task.Task) { tk.Attempt, tk.Failures = 2, 1 },
		func(tk *task.Task) { tk.Attempt = 3 }, // after releases by reports
	} {
		tk := newTask("1")
		change(tk)
		h(t.Context(), tk)
	}
	ids := map[string]bool{}
	for _, r := range s.all() {
		ids[r.Header.Get("Webhook-Id")] = true
	}
	if len(ids) != 3 || s.all()[0].Header.Get("Webhook-Id") != s.all()[1].Header.Get("Webhook-Id") {
		t.Errorf("%v", ids)
	}
}

// An outage while a job runs starts no second job and is logged once.
func TestOutageStartsNoSecondJob(t *testing.T) {
	s, f := serveFarm(t)
	fails := 0
	f.before = func(w http.ResponseWriter, kind string, m map[string]any) bool {
		if kind == "task.start" || fails == 4 {
			return false
		}
		if fails++; fails%2 == 0 {
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
		} else {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return true
	}
	result, err := s.handler(t, asJobs)(t.Context(), newTask(`{"state":"succeeded"}`))
	if err != nil || !strings.Contains(string(result), "ref-lts") || s.kinds(t)["task.start"] != 1 || fails != 4 {
		t.Errorf("%q, %v, %v", result, err, s.kinds(t))
	}
	for s.log.count("succeed again") == 0 {
		time.Sleep(time.Millisecond) // the poller logs it after it has delivered the state
	}
	if s.log.count("a service cannot be used") != 0 || s.log.count("jobs cannot be polled") != 1 || s.log.count("succeed again") != 1 {
		t.Errorf("logged\n%s", s.log.all())
	}
}
