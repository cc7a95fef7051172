//go:build unix && !linux

package postgresserver

import "os/exec"

// launch starts the server. A killed test binary leaves it running.
func launch(cmd *exec.Cmd, exited chan<- struct{}) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	return nil
}
