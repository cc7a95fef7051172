package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/executor/docker"
)

func TestDockerKeysOfAHandler(t *testing.T) {
	c := parse("f.yaml", []byte(`
queues: {default: }
handlers:
  video.cut:
    timeout: 1h
    max_log: 1000
    docker:
      image: ffmpeg:7
      command: [/cut.sh, --fast]
      entrypoint: [/bin/sh]
      env: {MODE: fast}
      dir: /work
      user: "1000:1000"
      memory: 512MiB
      cpus: 0.5
      mounts: ["/srv/videos:/in:ro", cache:/cache]
      network: videos
      pull: always
      login: {registry: docker.io, user: bot, password: {env: HOME}}
      keep: 10m
      interval: 2s
      host: unix:///run/docker.sock
  text: {command: [cat]}
`))
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	want := map[string]Docker{"video.cut": {password: source{env: "HOME"}, Config: docker.Config{
		Image: "ffmpeg:7", Command: []string{"/cut.sh", "--fast"}, Entrypoint: []string{"/bin/sh"}, Env: []string{"MODE=fast"},
		Dir: "/work", User: "1000:1000", Memory: 512 << 20, CPUs: 0.5,
		Mounts:  []docker.Mount{{Source: "/srv/videos", Target: "/in", ReadOnly: true}, {Source: "cache", Target: "/cache"}},
		Network: "videos", Pull: docker.PullAlways, Keep: 10 * time.Minute, Interval: 2 * time.Second, Host: "unix:///run/docker.sock", MaxLog: 1000,
		Login: docker.Login{Registry: "docker.io", User: "bot"},
	}}}
	if diff := cmp.Diff(want, c.Docker, cmp.AllowUnexported(Docker{}, source{})); diff != "" {
		t.Error(diff)
	}
	if _, given := c.Handlers["video.cut"]; given || c.Pool.Policies["video.cut"].Timeout != time.Hour {
		t.Errorf("commands %v, policies %v", c.Handlers, c.Pool.Policies)
	}
	handlers, err := c.Commands("media", nil)
	if err != nil || c.Err() != nil || len(handlers) != 2 || handlers["video.cut"] == nil {
		t.Errorf("handlers %v, %v, %v", handlers, err, c.Err())
	}
}

// All problems are reported at once, also those that only the executor finds.
func TestProblemsOfADockerSectionNameTheirLineAndKey(t *testing.T) {
	c := parse("f.yaml", []byte(`queues: {default: }
stop_grace: 2s
handlers:
  video.cut:
    command: [cat]
    docker:
      image: a b
      memory: 2 GB
      cpus: 0
      env:
        LTS_POOL: x
        LTS_PAYLOAD_FILE: x
        LD_PRELOAD: "{{id}}"
      mounts:
        - /srv
        - a/b:/in
      network: host
      pull: daily
      privileged: true
      login: {registry: "https://a", password: hush}
  other:
    docker: ffmpeg:7
`))
	if _, err := c.Commands("media", nil); err != nil {
		t.Fatal(err)
	}
	err := c.Err()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"f.yaml:2: stop_grace must be at least 5s for the containers of",
		"f.yaml:5: handlers.video.cut.command is for a command on this machine: move it into docker, or remove docker",
		`f.yaml:7: handlers.video.cut.docker.image must be the name of an image such as alpine:3.22, not "a b"`,
		`f.yaml:8: handlers.video.cut.docker.memory must be a size such as 4096, 64KiB, 512MiB or 2GiB, not "2 GB"`,
		"f.yaml:9: handlers.video.cut.docker.cpus must be more than 0",
		"f.yaml:11: handlers.video.cut.docker.env.LTS_POOL is set by the replica",
		"f.yaml:12: handlers.video.cut.docker.env.LTS_PAYLOAD_FILE is set by the replica",
		"f.yaml:13: handlers.video.cut.docker.env.LD_PRELOAD must not be a template",
		`f.yaml:15: handlers.video.cut.docker.mounts[0] must be SOURCE:TARGET or SOURCE:TARGET:ro, such as /srv/videos:/in:ro, not "/srv"`,
		"f.yaml:16: handlers.video.cut.docker.mounts[1] must have an absolute path on the host or the name of a volume",
		"f.yaml:17: handlers.video.cut.docker.network must be none or the name of a network",
		`f.yaml:18: handlers.video.cut.docker.pull must be missing, always or never, not "daily"`,
		"f.yaml:19: handlers.video.cut.docker.privileged is not a key here; there are image, command",
		"f.yaml:20: handlers.video.cut.docker.login.registry must be the host of a registry, such as registry.example:5000",
		"f.yaml:20: handlers.video.cut.docker.login.user is missing",
		"f.yaml:20: handlers.video.cut.docker.login.password must name a variable or a file that has the secret, as in {env: REGISTRY_PASSWORD}",
		"f.yaml:22: handlers.other.docker must be a mapping such as {image: ffmpeg:7, command: [/cut.sh]}",
	} {
		if !strings.Contains(err.Error()+"\n", want) {
			t.Errorf("no problem %q", want)
		}
	}
	if strings.Contains(err.Error(), "hush") {
		t.Error("a message shows a secret")
	}
	if n := strings.Count(err.Error(), "\n"); n != 17 {
		t.Errorf("%d problems, want 17", n)
	}
	if t.Failed() {
		t.Log(err)
	}
}
