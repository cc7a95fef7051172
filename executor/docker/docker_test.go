package docker

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/task"
)

func TestOutcomeOfAContainer(t *testing.T) {
	e := sharedEngine(t)
	for name, c := range map[string]struct {
		command []string
		result  string
		want    error // nil for a success
		log     string
	}{
		"payload":   {[]string{"payload"}, `{"n":12345678901234567890}`, nil, ""},
		"failure":   {[]string{"exit", "1", "no disk"}, "", errors.New("container ended with exit status 1: no disk"), "first line\nno disk\n"},
		"success":   {[]string{"exit", "0", "n={{payload.n}}"}, "out", nil, "first line\nn=12345678901234567890\n"},
		"permanent": {[]string{"exit", "65", "bad\x1b[31m video"}, "", task.Permanent(errors.New("container ended with exit status 65: bad[31m video")), "first line\nbad\x1b[31m video\n"},
		"release":   {[]string{"exit", "75", "busy"}, "", task.Snooze(task.ReleaseDelay), "first line\nbusy\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := begin(t, e.config(c.command...), newTask(`{"n":12345678901234567890}`))
			result, err := a.wait(t)
			if result != c.result || a.task.Log != c.log || (err == nil) != (c.want == nil) ||
				err != nil && (err.Error() != c.want.Error() || task.DispositionOf(err) != task.DispositionOf(c.want)) {
				t.Errorf("%q, %v, log %q", result, err, a.task.Log)
			}
		})
	}
}

func TestLongResultIsCutExportedOrFailsTheTask(t *testing.T) {
	t.Parallel()
	e := sharedEngine(t)
	cfg := e.config("fill", "300000")
	cfg.MaxResult = 1000
	if result, err := begin(t, cfg, newTask("")).wait(t); err != nil || len(result) > 1000 || !strings.HasSuffix(result, " of 300000 bytes]") {
		t.Errorf("%d bytes, %v", len(result), err)
	}
	tk := newTask("")
	tk.LargeResult = task.FailLargeResult
	_, err := begin(t, cfg, tk).wait(t)
	wantError(t, err, nil, "the result is 300000 bytes; the limit is 1000")

	// An exporter saves more.
	tk = newTask("")
	tk.LargeResult = task.ExportLargeResult
	if result, err := begin(t, cfg, tk).wait(t); err != nil || len(result) != 300000 {
		t.Errorf("to export: %d bytes, %v", len(result), err)
	}
	cfg.Command = []string{"fill", "4000002"}
	tk = newTask("")
	tk.LargeResult = task.ExportLargeResult
	_, err = begin(t, cfg, tk).wait(t)
	wantError(t, err, nil, "the result is 4000002 bytes; the limit is 4000000")
}

func TestSurroundingsOfAContainer(t *testing.T) {
	t.Parallel()
	e := sharedEngine(t)
	cfg := e.config("env")
	cfg.Env, cfg.Dir, cfg.User, cfg.Memory, cfg.CPUs = []string{"MODE=fast", "LTS_KIND=forged", "FILE=in/{{payload.name}}"}, "/lts", "1234:1234", 64<<20, 0.5
	a := begin(t, cfg, newTask(`{"name":"-v.mp4"}`))
	result, err := a.wait(t)
	if err != nil {
		t.Fatal(err, a.task.Log)
	}
	lines := strings.Split(result, "\n")
	for _, want := range []string{"MODE=fast", "FILE=in/-v.mp4", "LTS_KIND=video.cut", "LTS_TASK_ID=" + a.task.ID, "LTS_QUEUE=slow", "LTS_ATTEMPT=7",
		"LTS_POOL=media", "LTS_PAYLOAD_FILE=/lts/payload", "dir=/lts uid=1234", "device=lo"} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q in %q", want, lines)
		}
	}
	if n := strings.Count(result, "device="); n != 1 {
		t.Errorf("the container has a network: %q", result)
	}
	ids := e.containers(t, labelTask, a.task.ID)
	if len(ids) != 1 {
		t.Fatalf("containers %q", ids)
	}
	got, err := e.client.ContainerInspect(t.Context(), ids[0], client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h := got.Container.HostConfig
	if h.Privileged || h.AutoRemove || h.Memory != 64<<20 || h.NanoCPUs != 5e8 || h.NetworkMode != "none" || !slices.Contains(h.SecurityOpt, "no-new-privileges") {
		t.Errorf("%+v", h)
	}
	labels := got.Container.Config.Labels
	if labels[Label] != "media" || labels[labelKind] != "video.cut" || labels[labelFence] == "" || labels[labelTime] == "" {
		t.Errorf("labels %q", labels)
	}
}

func TestContainerKilledForItsMemorySaysSo(t *testing.T) {
	t.Parallel()
	e := sharedEngine(t)
	cfg := e.config("eat")
	cfg.Memory = 32 << 20
	a := begin(t, cfg, newTask(""))
	_, err := a.wait(t)
	wantError(t, err, nil, "exit status 137, killed because it was out of memory (limit 33554432 bytes): eating")
	if a.task.Log != "eating\n" {
		t.Errorf("log %q", a.task.Log)
	}
}

func TestStopTerminatesThenKills(t *testing.T) {
	e := sharedEngine(t)
	for name, c := range map[string]struct {
		command []string
		grace   time.Duration
		cause   error
		want    string
	}{
		"ends at SIGTERM": {[]string{"wait", "politely"}, patience, task.ErrStopped, "container ended with exit status 3: asked to end"},
		"ignores SIGTERM": {[]string{"wait"}, time.Second, task.ErrTimeout, "container ended with exit status 137: waiting"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, g := e.gated(t, c.command...)
			cfg.Grace = c.grace
			a := begin(t, cfg, newTask(""))
			eventually(t, "the container runs", func() bool { return g.starts() == 1 })
			a.cancel(c.cause)
			_, err := a.wait(t)
			wantError(t, err, c.cause, "the job was stopped: "+c.want)
		})
	}
}

func TestLogCanBeReadWhileTheContainerRuns(t *testing.T) {
	t.Parallel()
	e := sharedEngine(t)
	cfg, g := e.gated(t, "wait")
	x, _, err := newExecutor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	x.notify = func(string) {}
	tk := newTask("")
	s, err := x.Start(t.Context(), "lts-log", tk)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log", func() bool {
		got, err := x.Poll(t.Context(), []async.Job{{Name: "lts-log", Ref: s.Ref}})
		return err == nil && got[0].State == async.Running && string(got[0].Log) == "waiting\n"
	})
	g.open(t, "x")
}

func TestContainerRemovedByAnotherProgram(t *testing.T) {
	t.Parallel()
	e := sharedEngine(t)
	cfg, _ := e.gated(t, "wait")
	a := begin(t, cfg, newTask(""))
	a.logged(t, e, "waiting\n")
	if _, err := e.client.ContainerRemove(t.Context(), e.containers(t, labelTask, a.task.ID)[0], client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	_, err := a.wait(t)
	wantError(t, err, nil, "container ended with exit status 137, removed by another program: waiting")
	if a.task.Log != "waiting\n" {
		t.Errorf("log %q", a.task.Log)
	}
}

func TestStartThatTheEngineRefuses(t *testing.T) {
	e := sharedEngine(t)
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no such image":   {func(c *Config) { c.Image = "lts-no-such-image:1" }, "the engine does not have the image lts-no-such-image:1, and pull is never"},
		"no such program": {func(c *Config) { c.Entrypoint = []string{"/absent"} }, "start the container: "},
		"no value":        {func(c *Config) { c.Command = []string{"exit", "{{payload.code}}"} }, "payload.code"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := e.config("payload")
			c.change(&cfg)
			a := begin(t, cfg, newTask(""))
			_, err := a.wait(t)
			wantError(t, err, nil, c.want)
			if ids := e.containers(t, labelTask, a.task.ID); len(ids) > 0 {
				t.Errorf("containers %q", ids)
			}
		})
	}
}

func TestContainersAreRemoved(t *testing.T) {
	t.Parallel()
	e := sharedEngine(t)
	waiting, g := e.gated(t, "wait")
	tk := newTask("")
	orphan := begin(t, waiting, tk)
	eventually(t, "the container runs", func() bool { return g.starts() == 1 })
	orphan.cancel(task.ErrLeaseLost)
	_, _ = orphan.wait(t)

	// The next attempt of the task has a new name and does not know the container.
	next := *tk
	next.LastCheckpoint, next.Fence = nil, fences.Add(1)
	cfg := e.config("payload")
	cfg.Keep = time.Millisecond
	if _, err := begin(t, cfg, &next).wait(t); err != nil {
		t.Error(err)
	}
	eventually(t, "no container of the task", func() bool { return len(e.containers(t, labelTask, tk.ID)) == 0 })
}

func TestSweepRemovesOldContainersOfThePool(t *testing.T) {
	t.Parallel()
	e := sharedEngine(t)
	cfg := e.config("payload")
	cfg.Pool, cfg.Keep = "swept", time.Hour
	if _, err := begin(t, cfg, newTask("")).wait(t); err != nil {
		t.Fatal(err)
	}
	x, _, err := newExecutor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	// This one was created, and its replica died before it started it.
	if _, err := e.client.ContainerCreate(t.Context(), x.cfg.options("lts-created", newTask(""))); err != nil {
		t.Fatal(err)
	}
	x.sweep(time.Now().Add(-time.Hour))
	if n := len(e.containers(t, Label, "swept")); n != 2 {
		t.Errorf("%d containers, want the one that ended just now and the one that was created", n)
	}
	x.sweep(time.Now().Add(time.Hour))
	if n := len(e.containers(t, Label, "swept")); n != 0 {
		t.Errorf("%d containers", n)
	}
}

func TestConfigReportsEveryProblemAtOnce(t *testing.T) {
	_, err := New(Config{
		Pool: "{}", Host: "nonsense", Image: "a b", Command: []string{"a\x00"}, Entrypoint: []string{"\x00", "{{id}}"}, Env: []string{"=x", "SECRET\x00=hush", "LD_PRELOAD={{id}}"},
		Dir: "work", Memory: 1, CPUs: -1, Mounts: []Mount{{}, {Source: "a/b", Target: "/"}}, Network: "host", Pull: "daily",
		Grace: -1, Keep: -1, Interval: -1, MaxResult: 1, MaxLog: 1 << 30,
	})
	wantError(t, err, nil, "pool must", "host cannot be used", `image must be the name of an image such as alpine:3.22, not "a b"`, "command must not", "entrypoint must not", "entrypoint must not have a template", "env.LD_PRELOAD must not be a template",
		`env must contain KEY=value entries without NUL bytes: the one for "" is none`, "dir must be an absolute path", "memory must", "cpus must",
		"mounts[0] must have an absolute path on the host", "mounts[1] must have an absolute path other than / as its target",
		"network must be none or the name of a network", "pull must be missing, always or never", "grace must", "keep must", "interval must", "max_result must", "max_log must")
	if err != nil && strings.Contains(err.Error(), "hush") {
		t.Error("the error shows the value of a variable")
	}
}

func TestEngineThatIsAwayIsWaitedFor(t *testing.T) {
	r, w := io.Pipe()
	cfg := (&engine{dir: t.TempDir()}).config("payload")
	cfg.Logger = slog.New(slog.NewTextHandler(w, nil))
	a := begin(t, cfg, newTask(""))
	t.Cleanup(func() { _ = r.Close() })
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil || !strings.Contains(line, "a call to the remote failed; it is repeated") || !strings.Contains(line, "sock") {
		t.Errorf("logged %q, %v", line, err)
	}
	select {
	case <-a.done:
		t.Error("ended while the engine was away")
	default:
	}
	a.cancel(task.ErrShutdown)
	_, err = a.wait(t)
	wantError(t, err, task.ErrShutdown)
}

// The next owner of a task uses another engine than the one that runs its container.
func TestContainerOfAnotherEngineIsLeftToItsReplicas(t *testing.T) {
	t.Parallel()
	e := sharedEngine(t)
	cfg, g := e.gated(t, "wait")
	tk := newTask("")
	first := begin(t, cfg, tk)
	first.logged(t, e, "waiting\n")
	first.cancel(task.ErrShutdown)
	_, _ = first.wait(t)

	saved := string(tk.LastCheckpoint)
	id, err := first.x.Location(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tk.LastCheckpoint = []byte(strings.ReplaceAll(saved, id, "OTHER"))
	_, err = begin(t, cfg, tk).wait(t)
	if task.DispositionOf(err) != task.DispositionOf(task.Elsewhere()) || !strings.Contains(string(tk.LastCheckpoint), "OTHER/") {
		t.Errorf("%v, checkpoint %s", err, tk.LastCheckpoint)
	}
	tk.CleanUp = task.CodeTimeout
	if _, err := begin(t, cfg, tk).wait(t); task.DispositionOf(err) != task.DispositionOf(task.Elsewhere()) {
		t.Errorf("clean-up: %v", err)
	}
	tk.CleanUp = ""

	tk.LastCheckpoint = []byte(saved)
	back := begin(t, cfg, tk)
	g.open(t, "done")
	if result, err := back.wait(t); err != nil || result != "done" || g.starts() != 1 {
		t.Errorf("%q, %v, started %d times", result, err, g.starts())
	}
}

func TestImageNames(t *testing.T) {
	const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for image, valid := range map[string]bool{
		"alpine": true, "alpine:3.22": true, "registry.example:5000/team/cut:V1": true, "cut@sha256:" + digest: true, "sha256:" + digest: true, digest: true,
		"": false, "a b": false, "-v": false, "Alpine": false, "a:b:c": false, "a@b": false, "https://registry.example/cut": false,
	} {
		if _, err := New(Config{Pool: "media", Image: image}); (err == nil) != valid {
			t.Errorf("%q: %v", image, err)
		}
	}
}
