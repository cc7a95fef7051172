package webhook

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/ltsworker/ltsworker/alert"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="

func TestWebhookIsSignedAndKeepsItsID(t *testing.T) {
	check, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := check.Verify(body, r.Header); err != nil || r.Header.Get("Authorization") != "Bearer t0ken" {
			t.Errorf("%v, %v", err, r.Header)
		}
		var m map[string]any
		if err := json.Unmarshal(body, &m); err != nil || m["id"] != r.Header.Get("Webhook-Id") {
			t.Errorf("%v: %s", err, body)
		}
		got = append(got, m)
	}))
	defer s.Close()
	w, err := New(Config{Endpoint: Endpoint{URL: s.URL, Networks: []string{"127.0.0.1"}, Headers: map[string]string{"Authorization": "Bearer t0ken"}}, Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	m := message(2, alert.English)
	for range 2 {
		if _, err := w.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 2 || got[0]["id"] != "alert_x" || got[1]["id"] != "alert_x" || got[0]["firing"] != 2.0 || got[0]["pool"] != "media" || len(got[0]["notices"].([]any)) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestStatusSaysWhetherAMessageIsTriedAgain(t *testing.T) {
	status := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		io.WriteString(w, "the token t0ken-1234 is unknown")
	}))
	defer s.Close()
	w, err := New(Config{Endpoint: Endpoint{URL: s.URL + "/hook", Networks: []string{"127.0.0.1"}, Headers: map[string]string{"X-Token": "t0ken-1234"}}})
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[int]alert.SendError{200: {}, 400: {Refused: true}, 401: {}, 404: {}, 302: {}, 413: {Refused: true}, 408: {}, 429: {After: 7 * time.Second}, 500: {}, 503: {After: 7 * time.Second}} {
		status = code
		answer, err := w.Send(t.Context(), message(1, alert.English))
		e := (*alert.SendError)(nil)
		if code == 200 && err != nil || code != 200 && (!errors.As(err, &e) || e.Refused != want.Refused || e.After != want.After) {
			t.Errorf("%d: %v", code, err)
		}
		if contains(answer, "t0ken") || err != nil && contains(err.Error(), "t0ken") {
			t.Errorf("the secret is in %q, %v", answer, err)
		}
	}
}

func TestMistakesOfEndpointsNameTheirFields(t *testing.T) {
	for want, e := range map[string]Endpoint{
		"url is required": {}, "url must be a URL": {URL: "ftp://x"}, "url must not have a user": {URL: "https://a:b@x"},
		"networks[0] must be": {URL: "https://x", Networks: []string{"lan"}}, "headers.a b cannot": {URL: "https://x", Headers: map[string]string{"a b": "c"}},
	} {
		if _, err := New(Config{Endpoint: e}); err == nil || !contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", e, err, want)
		}
	}
	if _, err := New(Config{Endpoint: Endpoint{URL: "https://x"}, Secrets: []string{"short"}}); err == nil || !contains(err.Error(), "secret must be whsec_") || contains(err.Error(), "short") {
		t.Error(err)
	}
}
