package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/executor/template"
	"github.com/ltsworker/ltsworker/task"
)

// Label is the label that has the name of the pool. The others begin with it and a dot:
// task, kind, fence and time, which is when the container was created.
const Label = "io.ltsworker.pool"

const (
	labelTask  = Label + ".task"
	labelKind  = Label + ".kind"
	labelFence = Label + ".fence"
	labelTime  = Label + ".time"
)

// The bounds of Start, which may pull an image.
const (
	startTimeout = 10 * time.Minute
	startWithin  = 15 * time.Minute
)

// payloadFile is the name of the payload in a container.
const payloadFile = "/lts/payload"

// Start implements async.Executor. It creates a container, copies the payload into it, and
// starts it. A container of that name continues at the step that is missing.
func (x *executor) Start(ctx context.Context, name string, t *task.Task) (async.Started, error) {
	x.sweepAtTimes()
	engine, err := x.Location(ctx)
	if err != nil {
		return async.Started{}, err
	}
	got, err := x.engine.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		if err := x.create(ctx, name, t); err != nil {
			return async.Started{}, err
		}
		got, err = x.engine.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	}
	if err != nil {
		return async.Started{}, fmt.Errorf("inspect container %s: %w", name, err)
	}
	c := got.Container
	if c.Config == nil || c.Config.Labels[Label] != x.cfg.Pool || c.Config.Labels[labelTask] != t.ID {
		return async.Started{}, async.Reject(fmt.Errorf("the container %s does not belong to this task", name))
	}
	started := async.Started{Ref: makeRef(engine, c.ID)}
	if c.State == nil || c.State.Status != container.StateCreated {
		started.Age = age(c.State)
	} else if err := x.run(ctx, c.ID, t); err != nil {
		return async.Started{}, err
	}
	x.watch(async.Job{Name: name, Ref: started.Ref, LargeResult: t.LargeResult})
	return started, nil
}

// run starts a created container.
func (x *executor) run(ctx context.Context, id string, t *task.Task) error {
	_, err := x.engine.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: payloadArchive(t.Payload)})
	if err != nil {
		return fmt.Errorf("copy the payload: %w", err)
	}
	_, err = x.engine.ContainerStart(ctx, id, client.ContainerStartOptions{})
	if isRefusal(err) { // such as a program that is missing in the image
		err = async.Reject(fmt.Errorf("start the container: %w", err))
		if _, rerr := x.engine.ContainerRemove(ctx, id, client.ContainerRemoveOptions{RemoveVolumes: true, Force: true}); rerr != nil {
			x.cfg.Logger.Warn("a container that cannot be started was not removed", "container", id, "err", rerr)
		}
		return err
	}
	if err != nil {
		return fmt.Errorf("start the container: %w", err)
	}
	return nil
}

// isRefusal reports whether the engine has refused a call, so that a repetition of the
// call does not help.
func isRefusal(err error) bool {
	return errdefs.IsInvalidArgument(err) || errdefs.IsNotFound(err) || errdefs.IsPermissionDenied(err) || errdefs.IsUnauthorized(err) || errdefs.IsNotImplemented(err)
}

// create creates the container of an attempt, after those of earlier attempts of the task
// were removed.
func (x *executor) create(ctx context.Context, name string, t *task.Task) error {
	values := template.NewValues(t, x.cfg.Pool)
	args, err := x.args.Fill(values)
	if err != nil {
		return async.Reject(err)
	}
	env, err := x.env.Fill(values)
	if err != nil {
		return async.Reject(err)
	}
	cfg := x.cfg
	cfg.Command, cfg.Env = args[len(x.cfg.Entrypoint):], env
	if err := cfg.change(t); err != nil {
		return task.BadPayload(err)
	}
	if err := x.removeEarlier(ctx, name, t); err != nil {
		return err
	}
	if cfg.Pull == PullAlways {
		if err := x.pull(ctx, cfg.Image); err != nil {
			return err
		}
	}
	o := cfg.options(name, t)
	o.Config.Env = append(template.TraceEnv(ctx), o.Config.Env...)
	_, err = x.engine.ContainerCreate(ctx, o)
	if errdefs.IsNotFound(err) && cfg.Pull == PullMissing {
		if err := x.pull(ctx, cfg.Image); err != nil {
			return err
		}
		_, err = x.engine.ContainerCreate(ctx, o)
	}
	switch {
	case err == nil || errdefs.IsConflict(err): // an earlier call created it
		return nil
	case errdefs.IsNotFound(err):
		return async.Reject(fmt.Errorf("the engine does not have the image %s, and pull is %s: %w", cfg.Image, cfg.Pull, err))
	case isRefusal(err):
		return async.Reject(fmt.Errorf("create the container: %w", err))
	}
	return fmt.Errorf("create the container: %w", err)
}

// options describes the container of an attempt. c has the values of its task.
func (c *Config) options(name string, t *task.Task) client.ContainerCreateOptions {
	host := &container.HostConfig{
		NetworkMode: container.NetworkMode(c.Network),
		// Without these options the output of a container could fill the disk, or the engine
		// could keep it where it cannot be read.
		LogConfig:   container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "32m", "max-file": "2"}},
		SecurityOpt: []string{"no-new-privileges"},
		Resources: container.Resources{
			Memory:     c.Memory,
			MemorySwap: c.Memory, // no swap beyond it
			NanoCPUs:   int64(math.Round(c.CPUs * 1e9)),
		},
	}
	for _, m := range c.Mounts {
		kind := mount.TypeVolume
		if strings.HasPrefix(m.Source, "/") {
			kind = mount.TypeBind
		}
		host.Mounts = append(host.Mounts, mount.Mount{Type: kind, Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly})
	}
	fence := strconv.FormatInt(t.Fence, 10)
	return client.ContainerCreateOptions{
		Name: name,
		Config: &container.Config{
			Image: c.Image, Cmd: c.Command, Entrypoint: c.Entrypoint, WorkingDir: c.Dir, User: c.User,
			Env: append(append(c.Env,
				"LTS_TASK_ID="+t.ID, "LTS_KIND="+t.Kind, "LTS_QUEUE="+t.Queue, "LTS_ATTEMPT="+strconv.FormatInt(t.Attempt, 10),
				"LTS_FENCE="+fence, "LTS_POOL="+c.Pool, "LTS_PAYLOAD_FILE="+payloadFile), template.ShardEnv(t)...),
			Labels: map[string]string{
				Label: c.Pool, labelTask: t.ID, labelKind: t.Kind, labelFence: fence, labelTime: time.Now().UTC().Format(time.RFC3339),
			},
		},
		HostConfig: host,
	}
}

// payloadArchive returns the payload as a tar archive for the root of a container.
func payloadArchive(payload []byte) *bytes.Buffer {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	// Writing to a Buffer does not fail.
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "lts/", Mode: 0o755})
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(payloadFile, "/"), Mode: 0o444, Size: int64(len(payload))})
	_, _ = w.Write(payload)
	_ = w.Close()
	return &b
}

// age returns how long ago the container was started, by the clocks of the engine and of
// this process; zero if that is not known.
func age(s *container.State) time.Duration {
	if s == nil {
		return 0
	}
	started, err := time.Parse(time.RFC3339Nano, s.StartedAt)
	if err != nil || started.IsZero() || started.Year() < 2000 {
		return 0
	}
	return max(0, time.Since(started))
}
