package docker

import (
	"context"
	"fmt"

	"github.com/moby/moby/client"

	"github.com/ltsworker/ltsworker/task"
)

// Available returns a function for pool.Config.Admit, which returns an error while the engine
// at host does not answer. It is for a replica whose tasks all need that engine: other replicas
// then get them. An empty host means the same as in Config. Available does not call the engine.
// It returns a *task.FieldError for a host that cannot be used.
func Available(host string) (func(context.Context) error, error) {
	engine, err := connect(host)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if _, err := engine.Ping(ctx, client.PingOptions{}); err != nil {
			return fmt.Errorf("the Docker engine does not answer: %w", err)
		}
		return nil
	}, nil
}

// connect makes a client of an engine without a call.
func connect(host string) (*client.Client, error) {
	opts := []client.Opt{client.FromEnv}
	if host != "" {
		opts = []client.Opt{client.WithHost(host)}
	}
	engine, err := client.New(opts...)
	if err != nil {
		return nil, &task.FieldError{Field: "host", Msg: fmt.Sprintf("cannot be used: %v: write it as in unix:///run/docker.sock or tcp://10.0.0.1:2376", err)}
	}
	return engine, nil
}
