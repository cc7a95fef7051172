package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is set by a release build: go build -ldflags "-X main.release=v1.2.3".
var release string

// version returns the version of the build: the one set by a release build, otherwise the one from
// the go command.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version, the commit, Go and the system",
		Args:  between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
}

// versionLine returns the output of --version: the version, the commit if the build has it, the
// version of Go, and the system.
func versionLine() string {
	line := "ltsworker " + version()
	if info, ok := debug.ReadBuildInfo(); ok {
		set := map[string]string{}
		for _, s := range info.Settings {
			set[s.Key] = s.Value
		}
		if commit := set["vcs.revision"]; commit != "" {
			line += fmt.Sprintf(" (commit %.12s", commit)
			if set["vcs.time"] != "" {
				line += " of " + set["vcs.time"]
			}
			if set["vcs.modified"] == "true" {
				line += ", changed"
			}
			line += ")"
		}
	}
	return fmt.Sprintf("%s %s %s/%s", line, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
