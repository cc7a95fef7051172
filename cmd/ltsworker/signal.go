package main

import (
	"os"
	"os/signal"
	"syscall"
)

// onSecondSignal calls do at the second signal after this call. The first signal ends the context
// of the command.
func onSecondSignal(do func()) (stop func()) {
	signals, done := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for range 2 {
			select {
			case <-signals:
			case <-done:
				return
			}
		}
		do()
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}
