package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/config"
	"github.com/ltsworker/ltsworker/internal/terminal"
)

// firstFile is the name of the file if none is given.
const firstFile = "ltsworker.yaml"

func newInit() *cobra.Command {
	return &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a config file with comments to start from",
		Long: `Write a config file that works unchanged, with comments on all settings. FILE is
` + firstFile + ` by default. An existing file is not changed.`,
		Example: `  ltsworker init
  ltsworker run -c ` + firstFile,
		Args: between(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := firstFile
			if len(args) > 0 {
				name = args[0]
			}
			if err := writeNew(name, config.First); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "wrote %s; run it with: ltsworker run -c %s\n", terminal.Printable(name), terminal.ShellWord(name))
			return err
		},
	}
}

// writeNew writes a file that must not exist yet.
func writeNew(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // a user may add a URL with a password
	if errors.Is(err, fs.ErrExist) {
		return &inputError{fmt.Errorf("%s exists; nothing was written", terminal.Printable(name))}
	}
	if err != nil {
		return &inputError{fmt.Errorf("make the config file: %w", err)}
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the config file: %w", err)
	}
	return nil
}
