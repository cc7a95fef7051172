package config

import (
	"context"

	"github.com/ltsworker/ltsworker/executor/docker"
)

// Admit returns what decides whether the replica takes tasks: the admission of the file, and
// whether the Docker engine answers if all handlers need the same one. It is nil if the
// replica always takes tasks.
func (c *Config) Admit() func(context.Context) error {
	var all []func(context.Context) error
	if c.Admission != nil {
		all = append(all, c.Admission.Admit)
	}
	if host, only := c.onlyEngine(); only {
		// Commands reports a host that cannot be used.
		if engine, err := docker.Available(host); err == nil {
			all = append(all, engine)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return func(ctx context.Context) error {
		for _, admit := range all {
			if err := admit(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// onlyEngine returns the address of the Docker engine that all handlers need which run here.
// only is false if there is no such engine.
func (c *Config) onlyEngine() (host string, only bool) {
	for kind := range c.Pool.Policies { // one for each handler
		if c.Pool.Handlers[kind].Disabled {
			continue
		}
		d, ok := c.Docker[kind]
		if !ok || only && d.Host != host {
			return "", false
		}
		host, only = d.Host, true
	}
	return host, only
}
