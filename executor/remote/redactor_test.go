package remote

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
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
