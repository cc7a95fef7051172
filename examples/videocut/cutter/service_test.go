package cutter

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const secret = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0IQ=="

// newService returns a service whose ffmpeg counts its starts in a file, reads until it is
// killed if the video is long.mp4, and else writes its last argument.
func newService(t *testing.T) (s *Service, starts func() int) {
	t.Helper()
	dir := t.TempDir()
	count := filepath.Join(dir, "count")
	script := fmt.Sprintf(`#!/bin/sh
echo >>%q
for file; do :; done
case "$*" in *long.mp4*) exec tail -f /dev/null ;; esac
echo video >"$file"
`, count)
	for name, content := range map[string]string{"ffmpeg": script, "film.mp4": "", "long.mp4": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s, err := New(filepath.Join(dir, "ffmpeg"), dir, t.TempDir(), secret, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, func() int {
		b, _ := os.ReadFile(count)
		return len(b)
	}
}

// ask sends a signed request.
func ask(t *testing.T, s *Service, body string) (status int, answer string) {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	signature, err := w.Sign("id", now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Webhook-Id", "id")
	r.Header.Set("Webhook-Timestamp", fmt.Sprint(now.Unix()))
	r.Header.Set("Webhook-Signature", signature)
	got := httptest.NewRecorder()
	s.ServeHTTP(got, r)
	return got.Code, got.Body.String()
}

func start(name, video string) string {
	b, _ := json.Marshal(map[string]any{"type": "task.start", "name": name, "payload": map[string]any{"video": video, "seconds": 1}})
	return string(b)
}

func TestRequestsWithoutASignatureAreRefused(t *testing.T) {
	s, starts := newService(t)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(start("a", "film.mp4"))))
	if w.Code != http.StatusUnauthorized || starts() != 0 {
		t.Errorf("%d, %d starts", w.Code, starts())
	}
}

func TestNamesThatLeaveTheDirectoriesAreRefused(t *testing.T) {
	s, starts := newService(t)
	for _, body := range []string{
		start("../a", "film.mp4"), start("", "film.mp4"), start("a", "../film.mp4"), start("a", "/etc/passwd"), start("a", "-i.mp4"), start("a", "concat:a.mp4"),
	} {
		if status, answer := ask(t, s, body); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	if starts() != 0 {
		t.Error("ffmpeg was started")
	}
}

func TestStartThatIsRepeatedStartsOneJob(t *testing.T) {
	s, starts := newService(t)
	for range 3 {
		if status, answer := ask(t, s, start("a", "film.mp4")); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
	}
	<-s.jobs["a"].done
	again := &Service{ffmpeg: s.ffmpeg, videos: s.videos, cuts: s.cuts, verify: s.verify, slots: s.slots, jobs: map[string]*job{}} // after a restart
	for _, service := range []*Service{s, again} {
		ask(t, service, start("a", "film.mp4"))
		_, states := ask(t, service, `{"type":"task.status","jobs":[{"name":"a"},{"name":"b"}]}`)
		if !strings.Contains(states, `"a":{"state":"succeeded"`) || !strings.Contains(states, `"b":{"state":"gone"}`) {
			t.Error(states)
		}
		if _, output := ask(t, service, `{"type":"task.output","job":{"name":"a"}}`); output != `{"result":{"file":"a.mp4","bytes":6}}`+"\n" {
			t.Error(output)
		}
	}
	if starts() != 1 {
		t.Errorf("ffmpeg was started %d times", starts())
	}
}

func TestStopReturnsAfterTheEndOfTheJob(t *testing.T) {
	s, _ := newService(t)
	ask(t, s, start("a", "long.mp4"))
	ask(t, s, `{"type":"task.stop","job":{"name":"a"}}`)
	ask(t, s, `{"type":"task.stop","job":{"name":"unknown"}}`)
	if now := s.jobs["a"].current(); now.State != "failed" || now.Error != "the job was stopped" {
		t.Errorf("%+v", now)
	}
	if left, _ := os.ReadDir(s.cuts); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}
