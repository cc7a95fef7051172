package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// outside starts tasks in the pool of the user as a replica of its own and detaches them. It
// returns their tokens.
func (u *user) outside(ids ...string) (tokens []string) {
	u.t.Helper()
	ctx := u.t.Context()
	rdb := redis.NewClient(&redis.Options{Addr: u.addr})
	u.t.Cleanup(func() { rdb.Close() })
	s := redisstore.New(rdb, u.pool)
	defer s.Close()
	must := func(err error) {
		u.t.Helper()
		if err != nil {
			u.t.Fatal(err)
		}
	}
	_, err := s.Join(ctx, task.Registration{Replica: "r", Lease: time.Hour, Queues: map[string]task.QueueConfig{"jobs": {Workers: 9}}})
	must(err)
	for i, id := range ids {
		_, err := s.Enqueue(ctx, []task.Spec{{ID: id, Kind: "job", Queue: "jobs", Retain: new(time.Hour)}})
		must(err)
		got, err := s.Exchange(ctx, task.Exchange{Replica: "r", Sequence: 1, Call: int64(2*i + 1), Lease: time.Hour, Grace: time.Second,
			Claims: []task.Claim{{Queue: "jobs", N: 1}}})
		must(err)
		fence, token := got.Claimed[0].Fence, task.NewToken(id)
		_, hash, err := task.ParseToken(token)
		must(err)
		must(s.IssueToken(ctx, "jobs", task.Attempt{ID: id, Fence: fence}, hash))
		_, err = s.Exchange(ctx, task.Exchange{Replica: "r", Sequence: 1, Call: int64(2*i + 2), Lease: time.Hour, Grace: time.Second,
			Reports: []task.Report{{ID: id, Queue: "jobs", Fence: fence, Last: true, Op: task.Detached, Code: task.CodeDetached, Delay: time.Hour}}})
		must(err)
		tokens = append(tokens, token)
	}
	return tokens
}

func TestReportEndsATaskOutside(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	tokens := u.outside("done", "text", "broken", "later", "bare")
	report := func(id, token, input string, args ...string) {
		t.Helper()
		a := u.pipe(input, append([]string{"report"}, args...)...)
		if a.code != exitDone || a.out != "accepted\n" || strings.Contains(a.err, token) {
			t.Fatalf("%s: %+v", id, a)
		}
	}
	u.write("token", tokens[0]+"\n", 0o600)
	report("done", tokens[0], "", "progress", "0.4", "--token-file", "token")
	if r := u.shown("done"); string(r.Progress) != "0.4" || r.State != task.Running || r.OutsideUntil == "" {
		t.Errorf("%+v", r)
	}
	for range 2 { // a repeated report is accepted again
		report("done", tokens[0], "", "succeeded", `{"frames":250}`, "--token-file", "token")
	}
	report("text", tokens[1], tokens[1], "succeeded", "a b", "--text", "--token-file", "-")
	report("broken", tokens[2], tokens[2], "failed", "no such video", "--permanent", "--token-file", "-")
	report("later", tokens[3], tokens[3], "released", "--delay", "1h", "--token-file", "-")
	cmd := u.command("report", "succeeded", "-")
	cmd.Env, cmd.Stdin = append(cmd.Env, tokenVariable+"="+tokens[4]), strings.NewReader(`[1]`)
	if out, err := cmd.Output(); err != nil || string(out) != "accepted\n" {
		t.Errorf("the token in the environment: %q, %v", out, err)
	}

	for id, want := range map[string]record.Task{
		"done": {State: task.Succeeded, Result: json.RawMessage(`{"frames":250}`)}, "text": {State: task.Succeeded, ResultText: "a b"},
		"broken": {State: task.Failed, Error: "no such video"}, "later": {State: task.Scheduled}, "bare": {State: task.Succeeded, Result: json.RawMessage(`[1]`)},
	} {
		if r := u.shown(id); r.State != want.State || string(r.Result) != string(want.Result) || r.ResultText != want.ResultText || r.Error != want.Error {
			t.Errorf("%s: %+v", id, r)
		}
	}
	for _, args := range [][]string{{"succeeded", "2", "--token-file", "token"}, {"failed", "late", "--token-file", "token"}} {
		if a := u.run(append([]string{"report"}, args...)...); a.code != exitFailed || !strings.Contains(a.err, task.ErrUnknownToken.Error()) || strings.Contains(a.err, tokens[0]) {
			t.Errorf("%q of an ended task: %+v", args, a)
		}
	}
	for args, want := range map[string]string{
		"succeeded": "the token is missing", "done": `succeeded, failed, released or progress, not "done"`, "done --token-file token": "the state must be",
		"succeeded { --token-file token": "", "progress --token-file token": "progress needs VALUE, such as 0.4",
	} {
		if a := u.run(append([]string{"report"}, strings.Fields(args)...)...); a.code != exitUsage || !strings.Contains(a.err, want) {
			t.Errorf("%q: %+v", args, a)
		}
	}
}

func TestRunTakesReportsOverHTTP(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	tokens := u.outside("done", "broken")
	u.prepareReplica()
	r := u.startWith("w.yaml", "--callbacks", "127.0.0.1:0")
	var line struct {
		Address string `json:"address"`
	}
	if err := json.Unmarshal([]byte(r.await("callback endpoint")), &line); err != nil {
		t.Fatal(err)
	}
	post := func(token, body string, want int) {
		t.Helper()
		resp, err := http.Post("http://"+line.Address+"/callback/"+token, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", body, resp.StatusCode, want)
		}
	}
	post(tokens[0], `{"state":"succeeded","result":{"frames":250}}`, http.StatusOK)
	post(tokens[0], `{"state":"succeeded","result":{"frames":250}}`, http.StatusOK)
	post(tokens[0], `{"state":"succeeded","result":1}`, http.StatusNotFound)
	post(tokens[1], `{"state":"done"}`, http.StatusBadRequest)
	post(tokens[1], `{"state":"failed","error":"no such video","permanent":true}`, http.StatusOK)
	if got := u.shown("done"); got.State != task.Succeeded || string(got.Result) != `{"frames":250}` {
		t.Errorf("%+v", got)
	}
	if got := u.shown("broken"); got.State != task.Failed || got.Error != "no such video" {
		t.Errorf("%+v", got)
	}
	r.signal(syscall.SIGTERM)
	for r.log.Scan() {
		if text := r.log.Text(); strings.Contains(text, tokens[0]) || strings.Contains(text, tokens[1]) {
			t.Errorf("a token is in the log: %s", text)
		}
	}
}
