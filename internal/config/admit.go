package config

import (
	"context"

	"github.com/ltsworker/ltsworker/executor/docker"
)

// Admit returns the function for pool.Config.Admit. It applies the admission of the file and,
// if all handlers need the same Docker engine, checks that the engine answers. It is nil if
// the replica always takes tasks.
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

// onlyEngine returns the address of the one Docker engine that all enabled handlers need. only
// is false if there is none.
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
