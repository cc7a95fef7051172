package remote

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

// The service sends the callback back in the error of a job. The owner that reads the state
// may not be the one that got the token.
func TestTokenInAnAnswerAboutAJobIsRemoved(t *testing.T) {
	s, f := serveFarm(t)
	f.before = func(w http.ResponseWriter, kind string, m map[string]any) bool {
		if callback, ok := m["callback"].(string); ok {
			state, _ := json.Marshal(map[string]string{"state": "failed", "error": "report to " + callback + " failed, job of-some-customer-in-the-north"})
			f.jobs[m["name"].(string)] = string(state)
		}
		return false
	}
	_, err := s.handler(t, asJobs, func(c *Config) { c.Callback = "https://pool.example/callback" })(t.Context(), newTask(`1`))
	if want := "report to https://pool.example/callback/[removed] failed, job of-some-customer-in-the-north"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

// A service logs what it was given. The log of a task is shown to operators, who could end the
// attempt with the token.
func TestSecretsInTheLogOfAJobAreRemoved(t *testing.T) {
	e := &executor{&service{redactor: newRedactor([]string{"Bearer s3cret"}, true)}}
	token := task.NewToken("t1")
	answer, _ := json.Marshal(map[string]string{"state": "running", "log": "report to https://pool.example/callback/" + token + "\nauthorization: Bearer s3cret\n"})
	want := "report to https://pool.example/callback/[removed]\nauthorization: [removed]\n"
	if got := e.status(answer); string(got.Log) != want {
		t.Errorf("%q, want %q", got.Log, want)
	}
}

func TestSecretsInTheLogOfAnEndedJobAreRemoved(t *testing.T) {
	s, f := serveFarm(t)
	f.before = func(w http.ResponseWriter, kind string, _ map[string]any) bool {
		if kind == "task.output" {
			io.WriteString(w, `{"result":1,"log":"called with Bearer s3cret\n"}`)
		}
		return kind == "task.output"
	}
	tk := newTask(`{"state":"succeeded"}`)
	_, err := s.handler(t, asJobs, func(c *Config) { c.SecretHeaders = map[string]string{"Authorization": "Bearer s3cret"} })(t.Context(), tk)
	if err != nil || tk.Log != "called with [removed]\n" {
		t.Errorf("%q, %v", tk.Log, err)
	}
}
