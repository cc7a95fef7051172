package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// calls counts commands by name: those that clients sent, and those inside scripts and
// transactions.
type calls struct{ sent, inner map[string]int }

// monitor counts the commands that the server executes until the returned stop is called.
func (s *redisServer) monitor() (stop func() (calls, error), err error) {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewReaderSize(conn, 1<<20)
	if _, err := conn.Write([]byte("MONITOR\r\n")); err != nil {
		conn.Close()
		return nil, err
	}
	if ok, err := lines.ReadString('\n'); err != nil || ok != "+OK\r\n" {
		conn.Close()
		return nil, fmt.Errorf("MONITOR: %q, %v", ok, err)
	}
	c := calls{map[string]int{}, map[string]int{}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		multi := map[string]bool{} // clients inside MULTI
		for {
			l, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			c.count(l, multi)
		}
	}()
	return func() (calls, error) {
		err := conn.Close()
		<-ended
		return c, err
	}, nil
}

// count adds a line such as: +1700000000.123456 [0 127.0.0.1:50000] "evalsha" "…"
func (c calls) count(l string, multi map[string]bool) {
	_, rest, ok := strings.Cut(l, "[")
	if !ok {
		return
	}
	from, rest, _ := strings.Cut(rest, "] \"")
	name, _, _ := strings.Cut(rest, "\"")
	name = strings.ToLower(name)
	switch {
	case strings.HasSuffix(from, " lua"):
		c.inner[name]++
	case name == "multi":
		multi[from] = true
		c.sent[name]++
	case name == "exec":
		delete(multi, from)
		c.sent[name]++
	case multi[from]:
		c.inner[name]++
	default:
		c.sent[name]++
	}
}

// sentShare returns the fraction of a command's calls that clients sent.
func (c calls) sentShare(name string) float64 {
	if c.sent[name]+c.inner[name] == 0 {
		return 1
	}
	return float64(c.sent[name]) / float64(c.sent[name]+c.inner[name])
}

// commandTime returns the time in µs of all commands since CONFIG RESETSTAT. It counts a command
// inside a script or transaction once: commandstats has its time both under its own name and under
// that of the script's call.
func (s *redisServer) commandTime(ctx context.Context, share func(string) float64) (float64, error) {
	text, err := s.rdb.Info(ctx, "commandstats").Result()
	if err != nil {
		return 0, err
	}
	total := 0.0
	for l := range strings.Lines(text) {
		name, stats, ok := strings.Cut(strings.TrimPrefix(l, "cmdstat_"), ":")
		if !ok || !strings.HasPrefix(l, "cmdstat_") {
			continue
		}
		name, _, _ = strings.Cut(name, "|") // a subcommand
		for kv := range strings.SplitSeq(stats, ",") {
			if v, ok := strings.CutPrefix(kv, "usec="); ok {
				usec, err := strconv.ParseFloat(v, 64)
				if err != nil {
					return 0, err
				}
				total += usec * share(name)
			}
		}
	}
	return total, nil
}
