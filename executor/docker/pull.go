package docker

import (
	"context"
	"errors"
	"fmt"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/authconfig"
	registryapi "github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/task"
)

// registryOf returns the host of the registry of an image; "" for an id.
func registryOf(image string) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return ""
	}
	return reference.Domain(named)
}

// checkLogin returns everything that is wrong with c.Login.
func (c *Config) checkLogin() error {
	l := c.Login
	if l == (Login{}) {
		return nil
	}
	var errs []error
	add := func(field, format string, args ...any) {
		errs = append(errs, &task.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)})
	}
	of := registryOf(c.Image)
	switch {
	case l.Registry == "":
		add("login.registry", "is missing: give the host of the registry, such as registry.example:5000")
	case registryOf(l.Registry+"/a") != l.Registry:
		add("login.registry", "must be the host of a registry, such as registry.example:5000, not %q", l.Registry)
	case of != "" && of != l.Registry && c.ForTask == nil:
		add("login.registry", "must be %s, the registry of the image, not %s", of, l.Registry)
	}
	if l.User == "" {
		add("login.user", "is missing")
	}
	if l.Password == "" {
		add("login.password", "is missing")
	}
	return errors.Join(errs...)
}

// pull pulls an image. The credentials go to no other registry than theirs, also if
// ForTask has set the image.
func (x *executor) pull(ctx context.Context, image string) error {
	var opts client.ImagePullOptions
	if l := x.cfg.Login; l.Registry != "" && l.Registry == registryOf(image) {
		auth, err := authconfig.Encode(registryapi.AuthConfig{Username: l.User, Password: l.Password, ServerAddress: l.Registry})
		if err != nil {
			return fmt.Errorf("encode the login: %w", err)
		}
		opts.RegistryAuth = auth
	}
	got, err := x.engine.ImagePull(ctx, image, opts)
	if err == nil {
		err = got.Wait(ctx)
		_ = got.Close()
	}
	if isRefusal(err) {
		return async.Reject(fmt.Errorf("pull the image %s: %w", image, err))
	}
	if err != nil {
		return fmt.Errorf("pull the image %s: %w", image, err)
	}
	return nil
}
