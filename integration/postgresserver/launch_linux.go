package postgresserver

import (
	"os/exec"
	"runtime"
	"syscall"
)

// launch starts the server. The kernel sends it the signal for a fast end when the thread
// that started it ends, also because the test binary was killed. So the goroutine keeps
// this thread until the server has ended.
func launch(cmd *exec.Cmd, exited chan<- struct{}) error {
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(exited)
		}
	}()
	return <-started
}
