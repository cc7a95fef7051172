package config

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

// The log of a replica is in one format.
func TestOutagesAreWrittenToTheLogOfTheReplica(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	for section, service := range map[string]string{
		"docker: {image: a, host: 'unix:///nonexistent/sock'}":       "/nonexistent/sock",
		"remote: {url: 'http://127.0.0.1:1', networks: [127.0.0.1]}": "127.0.0.1:1",
	} {
		c := parse("f.yaml", []byte("queues: {default: }\nhandlers: {a: {"+section+"}}\n"))
		r, w := io.Pipe()
		slog.SetDefault(slog.New(slog.NewTextHandler(w, nil)))
		handlers, err := c.Commands("media", slog.New(slog.NewJSONHandler(w, nil)))
		if err != nil || c.Err() != nil {
			t.Fatal(err, c.Err())
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = handlers["a"](ctx, &task.Task{Spec: task.Spec{ID: "t", Kind: "a"}})
		}()
		line, err := bufio.NewReader(r).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "{") || !strings.Contains(line, service) {
			t.Errorf("%s: logged %q, %v", section, line, err)
		}
		_ = r.Close()
		cancel(task.ErrShutdown)
		<-done
	}
}
