// Package endpoint serves the HTTP endpoints of a process: health, callbacks, metrics.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Serve answers requests at the address until stop is called. server has the handler, and a
// ReadTimeout and WriteTimeout; Serve sets what is the same for all endpoints. The name begins the
// error and is in the log, which has errors but no requests. stop waits a second for requests that
// are being answered.
func Serve(name, address string, server *http.Server, log *slog.Logger) (stop func(), err error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		// Not wrapped, so that it is not taken for an error of the connection to Redis.
		return nil, fmt.Errorf("%s: %v", name, err)
	}
	server.ReadHeaderTimeout = 5 * time.Second
	server.IdleTimeout = time.Minute
	server.MaxHeaderBytes = 16 << 10
	server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the "+name+" has ended", "err", err)
		}
	}()
	log.Info(name, "address", listener.Addr().String())
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
	}, nil
}
