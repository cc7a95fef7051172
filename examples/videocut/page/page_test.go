package page

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/export/sql"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

const host = "127.0.0.1:8090"

// site is a page whose cutting service answers with the title of a task as the name of the
// file.
type site struct {
	*Page
	handler http.Handler
	dir     string
}

func newSite(t *testing.T) *site {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { rdb.Close() })
	dir := t.TempDir()
	results, err := sql.New(filepath.Join(dir, "results.db"), sql.Config{Pool: "videocut"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { results.Close() })
	p, err := pool.New(redisstore.New(rdb, "videocut"), pool.Config{
		Queues: map[string]pool.Queue{pool.DefaultQueue: {Workers: 2}}, Logger: slog.New(slog.DiscardHandler),
		Exports: map[string]pool.Export{Kind: {Exporter: results}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.HandleKind(Kind, func(_ context.Context, tk *task.Task) ([]byte, error) {
		var c Cut
		if err := json.Unmarshal(tk.Payload, &c); err != nil {
			return nil, err
		}
		return json.Marshal(map[string]string{"file": c.Title})
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })

	s := &site{dir: dir}
	for name, content := range map[string]string{"videos/film.mp4": "film", "cuts/a.mp4": "a cut", "secret.mp4": "secret"} {
		file := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret.mp4", filepath.Join(s.dir, "cuts/link.mp4")); err != nil {
		t.Fatal(err)
	}
	root := func(name string) *os.Root {
		r, err := os.OpenRoot(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	s.Page = &Page{Pool: p, Results: results, Videos: root("videos"), Cuts: root("cuts"), Hosts: []string{host}}
	s.handler = s.Handler()
	return s
}

// send sends a request as a browser does from a page of this site.
func (s *site) send(method, path, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://"+host+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// ended runs a task with this title to its end and returns its id.
func (s *site) ended(t *testing.T, title string) string {
	t.Helper()
	payload, err := json.Marshal(Cut{Title: title, Video: "film.mp4", Seconds: 1})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Pool.EnqueueSpec(t.Context(), pool.Spec{Kind: Kind, Payload: payload, Retain: new(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pool.WaitTask(t.Context(), got.ID); err != nil {
		t.Fatal(err)
	}
	return got.ID
}

// The result is what the service has answered: it leads to no other file.
func TestOnlyCutVideosAreDownloaded(t *testing.T) {
	s := newSite(t)
	for name, want := range map[string]string{
		"a.mp4": "a cut", "b.mp4": "", "link.mp4": "", "../secret.mp4": "", "/etc/passwd": "", "..": "", "": "", ".": "", "a.mp4/": "",
		"../cuts/a.mp4": "", "a.mp4\x00": "", `..\secret.mp4`: "",
	} {
		w := s.send("GET", "/tasks/"+s.ended(t, name)+"/video", "")
		if (w.Code == http.StatusOK) != (want != "") || want != "" && w.Body.String() != want || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%q: %d %q", name, w.Code, w.Body)
		}
		if want != "" && (w.Header().Get("Content-Disposition") != "attachment; filename=a.mp4" || w.Header().Get("X-Content-Type-Options") != "nosniff") {
			t.Errorf("%v", w.Header())
		}
	}
	for _, path := range []string{"/tasks/nothing/video", "/tasks/..%2f..%2fsecret.mp4/video", "/tasks/%00/video", "/../secret.mp4", "/secret.mp4", "/page.go"} {
		if w := s.send("GET", path, ""); w.Code == http.StatusOK || strings.Contains(w.Body.String(), "secret\n") {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
	}
}

func TestDeleteRemovesTheVideoOfTheTaskOnly(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"../secret.mp4", "../videos/film.mp4", "a.mp4"} {
		id := s.ended(t, name)
		tk, err := s.Pool.Get(t.Context(), id)
		if err != nil || !tk.Exported {
			t.Fatalf("%+v, %v", tk, err)
		}
		if w := s.send("POST", "/tasks/"+id+"/delete", ""); w.Code != http.StatusSeeOther {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if _, err := s.Results.Load(t.Context(), tk.Result); !errors.Is(err, sql.ErrNotFound) {
			t.Errorf("%s: the result is left: %v", name, err)
		}
	}
	for name, want := range map[string]bool{"secret.mp4": true, "videos/film.mp4": true, "cuts/a.mp4": false} {
		if _, err := os.Stat(filepath.Join(s.dir, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTextOfTasksIsEscaped(t *testing.T) {
	s := newSite(t)
	s.ended(t, `"><script>alert(1)</script>`)
	w := s.send("GET", "/", "")
	if body := w.Body.String(); strings.Contains(body, "<script>alert") || !strings.Contains(body, "&lt;script&gt;alert(1)") {
		t.Error(body)
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") || strings.Contains(csp, "unsafe") {
		t.Error(csp)
	}
}

func TestWritesOfOtherSitesAreRefused(t *testing.T) {
	s := newSite(t)
	form := url.Values{"title": {"x"}, "video": {"film.mp4"}, "from": {"0"}, "seconds": {"1"}}.Encode()
	other := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set(name, value) }
	}
	for name, c := range map[string]struct {
		change func(*http.Request)
		status int
	}{
		"this site":           {func(*http.Request) {}, http.StatusSeeOther},
		"another site":        {other("Sec-Fetch-Site", "cross-site"), http.StatusForbidden},
		"same site":           {other("Sec-Fetch-Site", "same-site"), http.StatusForbidden},
		"another origin":      {other("Origin", "http://evil.example"), http.StatusForbidden},
		"another port":        {other("Origin", "http://127.0.0.1:9999"), http.StatusForbidden},
		"a rebound name":      {func(r *http.Request) { r.Host = "evil.example:8090" }, http.StatusMisdirectedRequest},
		"an address of a LAN": {func(r *http.Request) { r.Host = "192.168.1.2:8090" }, http.StatusMisdirectedRequest},
	} {
		if w := s.send("POST", "/tasks", form, c.change); w.Code != c.status {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if rows, err := s.rows(t.Context()); err != nil || len(rows) != 1 || rows[0].State != "created" {
		t.Errorf("%+v, %v", rows, err)
	}
	for _, path := range []string{"/tasks/x/start", "/tasks/x/stop", "/tasks/x/delete"} {
		if w := s.send("GET", path, ""); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d", path, w.Code)
		}
		if w := s.send("POST", path, "", other("Sec-Fetch-Site", "cross-site")); w.Code != http.StatusForbidden {
			t.Errorf("POST %s: %d", path, w.Code)
		}
		if w := s.send("POST", path, ""); w.Code != http.StatusNotFound {
			t.Errorf("POST %s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestFormIsChecked(t *testing.T) {
	s := newSite(t)
	for field, values := range map[string][]string{
		"video": {"", "none.mp4", "../secret.mp4", "/etc/passwd", "-i"}, "from": {"", "-1", "NaN", "Inf", "x"}, "seconds": {"0", "-1", "NaN", "1e9"},
		"title": {strings.Repeat("x", 201)},
	} {
		for _, v := range values {
			form := url.Values{"title": {"x"}, "video": {"film.mp4"}, "from": {"0"}, "seconds": {"1"}}
			form.Set(field, v)
			if w := s.send("POST", "/tasks", form.Encode()); w.Code != http.StatusBadRequest {
				b, _ := io.ReadAll(w.Body)
				t.Errorf("%s %.20q: %d %s", field, v, w.Code, b)
			}
		}
	}
	if w := s.send("POST", "/tasks", "title="+strings.Repeat("x", 65<<10)); w.Code != http.StatusBadRequest {
		t.Errorf("a long body: %d", w.Code)
	}
}
