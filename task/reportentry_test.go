package task

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseReportReadsEveryField(t *testing.T) {
	for entry, want := range map[string]OutsideReport{
		`{"token":"t","state":"succeeded"}`:                                     {State: ReportSucceeded},
		`{"token":"t","state":"succeeded","result": {"a": [1.0, 1e400]} }`:      {State: ReportSucceeded, Result: []byte(`{"a": [1.0, 1e400]}`)},
		`{"token":"t","state":"succeeded","result":null}`:                       {State: ReportSucceeded},
		`{"token":"t","state":"succeeded","result_text":"a\n"}`:                 {State: ReportSucceeded, Result: []byte("a\n")},
		`{"token":"t","state":"failed","error":"no \"x\"","permanent":true}`:    {State: ReportFailed, Error: `no "x"`, Permanent: true},
		`{"token":"t","state":"failed","permanent":false,"delay_ms":0}`:         {State: ReportFailed, DelaySet: true},
		`{"token":"t","state":"released","delay_ms":1500}`:                      {State: ReportReleased, DelaySet: true, Delay: 1500 * time.Millisecond},
		`{"state":"progress","progress":{"done":0.4},"token":"t"}`:              {State: ReportProgress, Progress: []byte(`{"done":0.4}`)},
		` { "token" : "t" , "state" : "progress" , "progress" : "half"}` + "\n": {State: ReportProgress, Progress: []byte(`"half"`)},
	} {
		token, got, err := ParseReport([]byte(entry))
		if d := cmp.Diff(want, got); err != nil || token != "t" || d != "" {
			t.Errorf("%s: token %q, %v (-want +got):\n%s", entry, token, err, d)
		}
	}
}

func TestParseReportRefusesWithoutTheEntrysText(t *testing.T) {
	for entry, want := range map[string]string{
		`"SECRET"`:                                       "must be a JSON object",
		`{"token":"SECRET","state":"SECRET"}`:            "state",
		`{"SECRET":1}`:                                   "has a field",
		`{"token":"SECRET"`:                              "not valid JSON",
		`{"token":"SECRET","state":"failed"}SECRET`:      "after its JSON object",
		`{"token":"SECRET","token":"SECRET"}`:            "twice",
		`{"token":["SECRET"],"state":"failed"}`:          "token",
		`{"state":"failed","result":"SECRET"}`:           "result",
		`{"state":"succeeded","error":"SECRET"}`:         "error",
		`{"state":"failed","permanent":"SECRET"}`:        "permanent",
		`{"state":"failed","delay_ms":1.5}`:              "delay_ms",
		`{"state":"released","delay_ms":99999999999999}`: "delay_ms",
		`{"state":"progress"}`:                           "progress",
		`{"state":"progress","progress":"` + strings.Repeat("SECRET", MaxProgress) + `"}`:  "progress",
		`{"state":"succeeded","result":1,"result_text":"SECRET"}`:                          "together",
		`{"state":"succeeded","result":"` + strings.Repeat("SECRET", MaxResult/6+1) + `"}`: "result",
		"{\"token\":\"SECRET\xff\",\"state\":\"failed\"}":                                  "UTF-8",
		`{"state":"failed","permanent":true,"delay_ms":5}`:                                 "delay",
	} {
		_, _, err := ParseReport([]byte(entry))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%.60s: %v, want %q", entry, err, want)
		}
	}
}

// FuzzParseReport checks that a report that is accepted is valid JSON, that its parts are those of
// the entry, and that no error has the text of the entry.
func FuzzParseReport(f *testing.F) {
	f.Add([]byte(`{"token":"t","state":"succeeded","result":{"a":1}}`))
	f.Add([]byte(`{"state":"failed","error":"\ud800","permanent":true}`))
	f.Add([]byte(`{"state":"progress","progress":[0.5]}`))
	f.Fuzz(func(t *testing.T, entry []byte) {
		_, r, err := ParseReport(entry)
		if err != nil {
			return
		}
		if !json.Valid(entry) || r.Check() != nil {
			t.Errorf("%q is accepted: %+v", entry, r)
		}
		if r.Progress != nil && !bytes.Contains(entry, r.Progress) {
			t.Errorf("%q has the progress %q", entry, r.Progress)
		}
	})
}

func TestTokenNamesItsTask(t *testing.T) {
	seen := map[string]bool{}
	for _, id := range []string{"x", "2026/ü:a@b+c=d-e", strings.Repeat("a", MaxNameLen), "任务"} {
		for range 3 {
			token := NewToken(id)
			got, hash, err := ParseToken(token)
			if err != nil || got != id || len(hash) != 64 || seen[hash] || len(token) > MaxToken {
				t.Errorf("%s: %q, %q, %v", token, got, hash, err)
			}
			if strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
				t.Errorf("%s cannot stand in a path", token)
			}
			seen[hash] = true
		}
	}
	for _, wrong := range []string{"", "x", NewToken(""), NewToken("a b"), NewToken("x") + "=", NewToken(strings.Repeat("a", 129)), "a/b"} {
		if id, _, err := ParseToken(wrong); err == nil {
			t.Errorf("%q is a token of %s", wrong, id)
		}
	}
}
