// Package systemd notifies systemd of the state of a replica.
package systemd

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/ltsworker/ltsworker/pool"
)

// Notify notifies systemd when the replica has joined, when it drains, and that it is
// alive. It does so if systemd started the process with Type=notify or WatchdogSec=. It
// returns when ctx ends. A deadlocked replica sends no more watchdog notifications. A
// replica that cannot reach Redis still sends them, because a restart would not help.
func Notify(ctx context.Context, p *pool.Pool, log *slog.Logger) {
	notify := func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			log.Warn("systemd could not be notified", "state", state, "err", err)
		}
	}
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the watchdog of systemd cannot be served", "err", err)
	}
	var alive <-chan time.Time
	if interval > 0 {
		tick := time.NewTicker(interval / 2)
		defer tick.Stop()
		alive = tick.C
	}
	joined, draining := p.Joined(), p.Draining()
	for {
		select {
		case <-ctx.Done():
			select {
			case <-draining: // an idle replica ends at once, so that both are ready
				notify(daemon.SdNotifyStopping)
			default:
			}
			return
		case <-joined:
			notify(daemon.SdNotifyReady)
			joined = nil
		case <-draining:
			notify(daemon.SdNotifyStopping)
			draining = nil
		case <-alive:
			p.Health() // takes every lock of the replica
			notify(daemon.SdNotifyWatchdog)
		}
	}
}
