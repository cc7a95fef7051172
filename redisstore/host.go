package redisstore

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// host is the field runs_on of a replica's record. When the replica has left, it is a field of
// the hash former: see lua/lib/former.lua.
type host struct {
	Name    string `json:"host"`
	IP      string `json:"ip,omitempty"`
	PID     int    `json:"pid"`
	Version string `json:"version,omitempty"`
}

const (
	runsOn = "runs_on"
	former = "former"
	// maxHostText bounds each text of a host, because former has many of them. A host name of
	// DNS has at most 253 bytes.
	maxHostText = 256
	// addressPatience bounds the look-up of the own address. A join does not depend on it.
	addressPatience = 2 * time.Second
)

// hostOf returns the field runs_on of a replica that joins.
func (s *Store) hostOf(ctx context.Context, r task.Registration) ([]byte, error) {
	return json.Marshal(host{Name: task.CutHead(r.Host, maxHostText), IP: s.localIP(ctx), PID: r.PID, Version: task.CutHead(r.Version, maxHostText)})
}

// decodeHost returns the zero Host for a text that cannot be read.
func decodeHost(text string) task.Host {
	var h host
	if json.Unmarshal([]byte(text), &h) != nil {
		return task.Host{}
	}
	return task.Host{Name: h.Name, IP: h.IP, PID: h.PID, Version: h.Version}
}

// Hosts returns where replicas run, or ran until they left, by replica. It leaves out replicas
// of which that is not known.
func (s *Store) Hosts(ctx context.Context, replicas ...string) (map[string]task.Host, error) {
	hosts := map[string]task.Host{}
	var names []string
	for _, r := range replicas {
		if _, asked := hosts[r]; !asked && task.CheckName(r) == nil {
			hosts[r] = task.Host{}
			names = append(names, r)
		}
	}
	// The record of a replica is read first: one that leaves meanwhile is found in former.
	err := s.pipeline(ctx, names, pipelinePage/2, func(p redis.Pipeliner, replica string) func() {
		live, left := p.HGet(ctx, s.key("replica:", replica), runsOn), p.HGet(ctx, s.key(former), replica)
		return func() {
			if hosts[replica] = decodeHost(live.Val()); hosts[replica] == (task.Host{}) {
				hosts[replica] = decodeHost(left.Val())
			}
			if hosts[replica] == (task.Host{}) {
				delete(hosts, replica)
			}
		}
	})
	return hosts, s.fail(ctx, "hosts", err)
}

// localIP returns the IP address from which this process opens connections to the server that
// has the pool's keys; "" if that cannot be found, or for a Unix socket. It opens a connection
// and sends nothing, because a client does not show the connections that it has.
func (s *Store) localIP(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, addressPatience)
	defer cancel()
	primary, err := s.primary(ctx)
	if err != nil {
		return ""
	}
	client, ok := primary.(*redis.Client)
	if !ok {
		return ""
	}
	o := client.Options()
	dial := o.Dialer
	if dial == nil {
		dial = redis.NewDialer(o)
	}
	conn, err := dial(ctx, o.Network, o.Addr)
	if err != nil {
		return ""
	}
	defer conn.Close()
	return ipOf(conn.LocalAddr())
}

// ipOf returns the IP address of a network address, "" if it has none.
func ipOf(a net.Addr) string {
	if a == nil {
		return ""
	}
	at, err := netip.ParseAddrPort(a.String())
	if ip := at.Addr().Unmap(); err == nil && !ip.IsUnspecified() {
		return ip.String()
	}
	return ""
}
