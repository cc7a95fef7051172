package docker

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// registry serves one image of one layer, at job:1. It speaks what an engine needs of the
// API of registries.
type registry struct {
	*httptest.Server

	mu    sync.Mutex
	tag   string            // the digest of the manifest of the tag; "" for none
	blobs map[string][]byte // also manifests, by digest
	pulls int               // requests for the tag
	login string            // "USER:PASSWORD" that requests need; "" for none
	tried []string          // those of the requests that were refused
}

// newRegistry starts a registry at an address of this machine, which an engine trusts
// without TLS.
func newRegistry(t *testing.T) *registry {
	r := &registry{blobs: map[string][]byte{}}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *registry) image() string { return strings.TrimPrefix(r.URL, "http://") + "/job:1" }

const manifestType = "application/vnd.docker.distribution.manifest.v2+json"

func (r *registry) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if user, password, _ := req.BasicAuth(); r.login != "" && user+":"+password != r.login {
		r.tried = append(r.tried, user+":"+password)
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
		return
	}
	name := req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]
	manifest := strings.HasPrefix(req.URL.Path, "/v2/job/manifests/")
	if manifest && name == "1" {
		r.pulls++
		name = r.tag
	}
	b, found := r.blobs[name]
	switch {
	case req.URL.Path == "/v2/":
		return
	case !found:
		http.Error(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"1"}}]}`, http.StatusNotFound)
		return
	case manifest:
		w.Header().Set("Content-Type", manifestType)
	}
	w.Header().Set("Docker-Content-Digest", name)
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(b))
}

// push makes the tag an image whose containers have an environment.
func (r *registry) push(t *testing.T, layer []byte, env string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	add := func(kind string, b []byte) map[string]any {
		digest := digestOf(b)
		r.blobs[digest] = b
		return map[string]any{"mediaType": kind, "size": len(b), "digest": digest}
	}
	encode := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(layer); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	config := encode(map[string]any{"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{"Entrypoint": []string{"/job"}, "Env": []string{env}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digestOf(layer)}}})
	r.tag = add(manifestType, encode(map[string]any{"schemaVersion": 2, "mediaType": manifestType,
		"config": add("application/vnd.docker.container.image.v1+json", config),
		"layers": []any{add("application/vnd.docker.image.rootfs.diff.tar.gzip", packed.Bytes())}}))["digest"].(string)
}

func digestOf(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

func TestPullPolicy(t *testing.T) {
	t.Parallel()
	e := sharedEngine(t)
	r := newRegistry(t)
	cfg := e.config("env")
	cfg.Image = r.image()
	for i, c := range []struct {
		pull  Pull
		push  string // the new image, before the container
		want  string // in the environment, or in the error
		pulls bool   // the registry is asked
	}{
		{PullMissing, "", "pull the image " + r.image(), true},
		{PullNever, "VERSION=1", "the engine does not have the image " + r.image() + ", and pull is never", false},
		{PullMissing, "", "VERSION=1", true},
		{PullMissing, "VERSION=2", "VERSION=1", false},
		{PullAlways, "", "VERSION=2", true},
	} {
		if c.push != "" {
			r.push(t, e.layer, c.push)
		}
		r.pulls = 0
		cfg.Pull = c.pull
		result, err := begin(t, cfg, newTask("")).wait(t)
		if err != nil {
			result = err.Error()
		}
		if !strings.Contains(result, c.want) || r.pulls > 0 != c.pulls {
			t.Errorf("step %d: %q, asked %d times", i, result, r.pulls)
		}
	}
}

func TestLoginIsUsedForItsRegistryOnly(t *testing.T) {
	t.Parallel()
	e := sharedEngine(t)
	private, other := newRegistry(t), newRegistry(t)
	private.login, other.login = "bot:open sesame", "bot:open sesame"
	private.push(t, e.layer, "VERSION=1")
	other.push(t, e.layer, "VERSION=1")
	cfg := e.config("env")
	cfg.Pull = PullAlways
	cfg.Login = Login{Registry: registryOf(private.image()), User: "bot", Password: "open sesame"}
	cfg.ForTask = func(tk *task.Task, c *Config) error {
		c.Image = string(tk.Payload)
		return nil
	}
	if result, err := begin(t, cfg, newTask(private.image())).wait(t); err != nil || !strings.Contains(result, "VERSION=1") {
		t.Errorf("%q, %v", result, err)
	}
	refused := func(r *registry, login string) {
		t.Helper()
		a := begin(t, cfg, newTask(r.image()))
		eventually(t, "a pull is refused", func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return slices.Contains(r.tried, login)
		})
		a.cancel(task.ErrStopped)
		_, err := a.wait(t)
		wantError(t, err, task.ErrStopped)
	}
	refused(other, ":")
	if slices.ContainsFunc(other.tried, func(login string) bool { return login != ":" }) {
		t.Errorf("another registry got %q", other.tried)
	}
	cfg.Login.Password = "wrong"
	refused(private, "bot:wrong")
}

func TestLoginMistakesAreRefused(t *testing.T) {
	for want, c := range map[string]Config{
		"login.registry is missing":                                             {Image: "a", Login: Login{User: "u", Password: "p"}},
		"login.registry must be docker.io, the registry of the image":           {Image: "a", Login: Login{"registry.example", "u", "p"}},
		"login.registry must be the host of a registry":                         {Image: "a", Login: Login{"https://registry.example", "u", "p"}},
		`must be the host of a registry, such as registry.example:5000, not "a`: {Image: "a", Login: Login{"a", "u", "p"}},
		"login.user is missing":                                                 {Image: "a", Login: Login{"docker.io", "", "p"}},
		"login.password is missing":                                             {Image: "a", Login: Login{"docker.io", "u", ""}},
	} {
		c.Pool = "media"
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := New(Config{Pool: "media", Image: "registry.example:5000/team/cut:1", Login: Login{"registry.example:5000", "u", "p"}}); err != nil {
		t.Error(err)
	}
}
