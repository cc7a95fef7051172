package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/config"
	"github.com/ltsworker/ltsworker/internal/endpoint"
	"github.com/ltsworker/ltsworker/observe/metrics"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// consoleOf returns the settings of the console that a replica serves; nil for none.
func (f *runFlags) consoleOf(c *config.Config) (*consoleFile, error) {
	if f.console == "" && !c.Console {
		return nil, nil
	}
	var section consoleFile
	var err error
	if c.Console {
		if section, err = readConsoleSection(f.file); err != nil {
			return nil, err
		}
	}
	flags := consoleFlags{listen: f.console}
	settings, err := flags.apply(section, c.PoolName, "")
	return &settings, err
}

// startConsole serves the console in the process of a replica until stop is called.
func startConsole(cmd *cobra.Command, c *consoleFile, at *connection, tracer pool.Tracer, log *slog.Logger) (stop func(), err error) {
	s, err := openConsole(cmd, c, at.UniversalClient, tracer, log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.serve(ctx); err != nil {
			log.Error("the console has ended", "err", err)
		}
	}()
	return func() {
		cancel()
		<-done
		s.close()
	}, nil
}

// serveMetrics serves /metrics with the state of pools until stop is called.
func serveMetrics(address string, stores []*redisstore.Store, log *slog.Logger) (stop func(), err error) {
	var collectors []*metrics.Collector
	var more []prometheus.Collector
	var pools []*pool.Pool
	closePools := func() {
		for _, p := range pools {
			p.Close()
		}
	}
	for i, store := range stores {
		p, err := pool.New(store, pool.Config{Logger: log})
		if err != nil {
			closePools()
			return nil, err
		}
		pools = append(pools, p)
		collectors = append(collectors, metrics.NewCollector(p, metrics.Options{}))
		if i > 0 {
			more = append(more, collectors[i])
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", collectors[0].Handler(more...))
	end, err := endpoint.Serve("metrics of the console", address, &http.Server{
		Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 15 * time.Second,
	}, log)
	if err != nil {
		closePools()
		return nil, err
	}
	return func() { end(); closePools() }, nil
}
