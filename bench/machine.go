package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine describes the machine and the software of the run.
func (b *bench) machine(ctx context.Context) []string {
	cpu := "CPU unknown"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for l := range strings.Lines(string(text)) {
			if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == "model name" {
				cpu = strings.TrimSpace(v)
				break
			}
		}
	}
	lines := []string{
		fmt.Sprintf("%s/%s, %d CPUs (%s)", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpu),
		runtime.Version(),
	}
	if info, err := b.redis.rdb.Info(ctx, "server").Result(); err == nil {
		lines = append(lines, "redis-server "+field(info, "redis_version")+", no persistence, otherwise its defaults")
	}
	return lines
}
