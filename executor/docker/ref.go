package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/moby/client"
)

// makeRef returns the reference of a container.
func makeRef(engine, id string) string { return engine + "/" + id }

// parseRef returns the parts of a reference.
func parseRef(ref string) (engine, id string) {
	engine, id, _ = strings.Cut(ref, "/")
	return engine, id
}

// Location implements async.Locator. It returns the id of the engine, which survives its
// restarts.
func (x *executor) Location(ctx context.Context) (string, error) {
	x.mu.Lock()
	id := x.engineID
	x.mu.Unlock()
	if id != "" {
		return id, nil
	}
	got, err := x.engine.Info(ctx, client.InfoOptions{})
	if err != nil {
		return "", fmt.Errorf("ask the engine for its id: %w", err)
	}
	if got.Info.ID == "" || strings.Contains(got.Info.ID, "/") {
		return "", errors.New("the engine has no id: it cannot read or write the file that holds it")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.engineID = got.Info.ID
	return x.engineID, nil
}

// forgetEngine makes Location ask the engine again: another one may answer at its address.
func (x *executor) forgetEngine() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.engineID = ""
}

func otherEngine(of, engine string) error {
	return fmt.Errorf("the container is at the engine %s, and this replica uses %s", of, engine)
}
