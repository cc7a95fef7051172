package callback

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

type reporter struct {
	err   error
	token string
	got   task.OutsideReport
}

func (r *reporter) Report(_ context.Context, token string, report task.OutsideReport) error {
	r.token, r.got = token, report
	return r.err
}

func TestStatusSaysWhatBecameOfTheReport(t *testing.T) {
	token := task.NewToken("x")
	for name, c := range map[string]struct {
		method, path, body string
		err                error
		status             int
	}{
		"accepted":     {"POST", "/callback/" + token, `{"state":"succeeded","result":{"n":1}}`, nil, 200},
		"unknown":      {"POST", "/callback/" + token, `{"state":"succeeded"}`, task.ErrUnknownToken, 404},
		"away":         {"POST", "/callback/" + token, `{"state":"succeeded"}`, errors.New("dial tcp: " + token), 503},
		"no JSON":      {"POST", "/callback/" + token, `succeeded`, nil, 400},
		"wrong state":  {"POST", "/callback/" + token, `{"state":"done"}`, nil, 400},
		"token inside": {"POST", "/callback/" + token, `{"token":"` + token + `","state":"succeeded"}`, nil, 400},
		"token as key": {"POST", "/callback/" + token, `{"` + token + `":1,"state":"succeeded"}`, nil, 400},
		"too long":     {"POST", "/callback/" + token, `{"result":"` + strings.Repeat("a", MaxBody) + `"}`, nil, 413},
		"empty":        {"POST", "/callback/" + token, ``, nil, 400},
		"other method": {"GET", "/callback/" + token, ``, nil, 405},
		"no token":     {"POST", "/callback/", `{"state":"succeeded"}`, nil, 404},
		"deeper":       {"POST", "/callback/" + token + "/x", `{"state":"succeeded"}`, nil, 404},
	} {
		r := &reporter{err: c.err}
		w := httptest.NewRecorder()
		Handler(r).ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, c.status, w.Body)
		}
		if strings.Contains(w.Body.String(), token) {
			t.Errorf("%s: the answer has the token: %s", name, w.Body)
		}
		if c.status == 200 && (r.token != token || string(r.got.Result) != `{"n":1}`) {
			t.Errorf("%s: %q, %+v", name, r.token, r.got)
		}
		if (c.status == http.StatusServiceUnavailable) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%s: header %v", name, w.Header())
		}
	}
}
