package main

import (
	"slices"
	"strings"

	"github.com/ltsworker/ltsworker/internal/health"
	"github.com/ltsworker/ltsworker/internal/logging"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// runFlags are the flags of run.
type runFlags struct {
	file, health, callbacks, logFormat string
	console                            string
	labels                             []string
	exclusive, metrics, traces         bool
}

func (f *runFlags) check() error {
	if f.file == "" {
		return usagef("-c FILE is missing")
	}
	if !slices.Contains(logging.Formats, f.logFormat) {
		return usagef("--log-format must be one of %s, not %s", strings.Join(logging.Formats, " "), terminal.Quoted(f.logFormat))
	}
	if err := task.CheckReplicaLabels(f.labels); err != nil {
		return usagef("--label %v", err)
	}
	if f.health != "" {
		if err := health.CheckAddress(f.health); err != nil {
			return usagef("--health %v", err)
		}
	}
	if f.console != "" {
		if err := health.CheckAddress(f.console); err != nil {
			return usagef("--console %v", err)
		}
	}
	if f.callbacks != "" {
		if err := health.CheckAddress(f.callbacks); err != nil {
			return usagef("--callbacks %v", err)
		}
	}
	return nil
}
