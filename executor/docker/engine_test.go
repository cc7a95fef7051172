package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// patience bounds waits for events that happen soon on a healthy machine.
const patience = 2 * time.Minute

// testImage is the image of the tests. It has only the program in testdata/job.
const testImage = "lts-test-job:1"

// engine is a Docker engine of the tests, in a temporary directory.
type engine struct {
	dir    string
	cmd    *exec.Cmd
	exited chan struct{}
	client *client.Client
	layer  []byte // the only one of the image, as a tar archive
}

var (
	engineOnce sync.Once
	theEngine  *engine
	engineErr  error
)

// withoutEngine matches the tests that need no engine.
const withoutEngine = "^(TestDemux|FuzzDemux|TestOutput.*|TestRemoveEarlier.*|TestImageNames|TestConfigReportsEveryProblemAtOnce|TestEngineThatIsAwayIsWaitedFor)$"

// noEngine returns why the tests that need an engine are not run; "" if they are run.
// DOCKERD names the program; the default is dockerd in PATH. The tests are not run with
// DOCKERD=none, and without DOCKERD if there is an engine that cannot run here. If there is
// none, or the named one cannot run, the tests fail.
func noEngine() string {
	program := os.Getenv("DOCKERD")
	if program == "none" {
		return "DOCKERD=none"
	}
	if _, err := exec.LookPath("dockerd"); program != "" || err != nil || flag.Lookup("test.run").Value.String()+flag.Lookup("test.list").Value.String() != "" {
		return ""
	}
	engineOnce.Do(func() { theEngine, engineErr = newEngine() })
	if engineErr != nil {
		return "it cannot run here: " + engineErr.Error()
	}
	return ""
}

// sharedEngine returns the engine of all tests of the package.
func sharedEngine(t *testing.T) *engine {
	t.Helper()
	engineOnce.Do(func() { theEngine, engineErr = newEngine() })
	if engineErr != nil {
		t.Fatalf("no Docker engine can run here: %v\nInstall docker.io and run the tests as root, or set DOCKERD=none to leave them out.", engineErr)
	}
	return theEngine
}

func newEngine() (*engine, error) {
	dir, err := os.MkdirTemp("/tmp", "lts-docker-") // short, because sockets have short paths
	if err != nil {
		return nil, err
	}
	e := &engine{dir: dir}
	if e.client, err = client.New(client.WithHost(e.host())); err == nil {
		err = e.start()
	}
	if err == nil {
		err = e.importImage()
	}
	if err == nil {
		err = e.tryContainer()
	}
	if err != nil {
		e.end()
		return nil, err
	}
	return e, nil
}

func (e *engine) host() string { return "unix://" + filepath.Join(e.dir, "sock") }

// start starts the engine. Containers that run go on running.
func (e *engine) start() error {
	program := os.Getenv("DOCKERD")
	if program == "" {
		program = "dockerd"
	}
	log, err := os.OpenFile(filepath.Join(e.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	e.cmd = exec.Command(program, "--data-root", filepath.Join(e.dir, "data"), "--exec-root", filepath.Join(e.dir, "exec"),
		"--pidfile", filepath.Join(e.dir, "pid"), "-H", e.host(), "--bridge=none", "--iptables=false", "--ip6tables=false",
		"--storage-driver", "vfs", "--live-restore")
	e.cmd.Stdout, e.cmd.Stderr = log, log
	setDeathSignal(e.cmd)
	if err := e.cmd.Start(); err != nil {
		e.cmd = nil
		return err
	}
	e.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(e.cmd, e.exited)
	for late := time.After(patience); ; {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		_, err := e.client.Ping(ctx, client.PingOptions{})
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-e.exited:
			return fmt.Errorf("%s has ended: %s", program, e.lastLog())
		case <-late:
			return fmt.Errorf("%s does not answer: %w: %s", program, err, e.lastLog())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (e *engine) lastLog() string {
	b, _ := os.ReadFile(filepath.Join(e.dir, "log"))
	return string(b[max(0, len(b)-2000):])
}

// stop ends the engine, but no container.
func (e *engine) stop() {
	if e.cmd == nil {
		return
	}
	_ = e.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.exited:
	case <-time.After(patience):
		_ = e.cmd.Process.Kill()
		<-e.exited
	}
	e.cmd = nil
}

// end removes everything of the engine.
func (e *engine) end() {
	if e.cmd != nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if list, err := e.client.ContainerList(ctx, client.ContainerListOptions{All: true}); err == nil {
			for _, c := range list.Items {
				_, _ = e.client.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true})
			}
		}
		e.stop()
	}
	// With --live-restore an engine leaves its data mounted.
	_ = exec.Command("umount", "-l", filepath.Join(e.dir, "data")).Run()
	_ = os.RemoveAll(e.dir)
}

// tryContainer starts a container: an engine may answer where it cannot do this.
func (e *engine) tryContainer() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := e.client.ContainerCreate(ctx, client.ContainerCreateOptions{Config: &container.Config{Image: testImage, Cmd: []string{"exit", "0", ""}},
		HostConfig: &container.HostConfig{NetworkMode: "none"}})
	if err == nil {
		_, err = e.client.ContainerStart(ctx, c.ID, client.ContainerStartOptions{})
	}
	if err == nil {
		_, err = e.client.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true})
	}
	return err
}

// buildJob builds the program of the image.
func (e *engine) buildJob() ([]byte, error) {
	program := filepath.Join(e.dir, "job")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", program, "./testdata/job")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the program of the image: %w: %s", err, out)
	}
	b, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	err = errors.Join(w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "job", Mode: 0o755, Size: int64(len(b))}), write(w, b), w.Close())
	return archive.Bytes(), err
}

// importImage gives the image to the engine.
func (e *engine) importImage() (err error) {
	if e.layer, err = e.buildJob(); err != nil {
		return err
	}
	name, tag, _ := strings.Cut(testImage, ":")
	got, err := e.client.ImageImport(context.Background(), client.ImageImportSource{Source: bytes.NewReader(e.layer), SourceName: "-"}, name,
		client.ImageImportOptions{Tag: tag, Changes: []string{`ENTRYPOINT ["/job"]`}})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, got)
	return errors.Join(err, got.Close())
}

func write(w io.Writer, b []byte) error {
	_, err := w.Write(b)
	return err
}

// containers returns the ids of all containers with a label.
func (e *engine) containers(t *testing.T, label, value string) (ids []string) {
	t.Helper()
	list, err := e.client.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", label+"="+value)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list.Items {
		ids = append(ids, c.ID)
	}
	return ids
}

// pid returns the process id of the only container of a task.
func (e *engine) pid(t *testing.T, task string) int {
	t.Helper()
	got, err := e.client.ContainerInspect(t.Context(), e.containers(t, labelTask, task)[0], client.ContainerInspectOptions{})
	if err != nil || got.Container.State.Pid == 0 {
		t.Fatalf("the state is %+v, %v", got.Container.State, err)
	}
	return got.Container.State.Pid
}

// eventually waits for a condition. It polls: the condition is about the engine.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) { // polls the engine
		if time.Now().After(late) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
