package redisstore_test

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// ipOf returns the IP address that a store has of a replica after it has joined.
func ipOf(t *testing.T, s *redisstore.Store) string {
	t.Helper()
	if _, err := s.Join(t.Context(), task.Registration{Replica: "r", Host: "h", Lease: time.Hour}); err != nil {
		t.Fatal(err)
	}
	hosts, err := s.Hosts(t.Context(), "r")
	if err != nil || hosts["r"].Name != "h" {
		t.Fatal(hosts, err)
	}
	live, err := s.Replicas(t.Context())
	if err != nil || len(live) != 1 || live[0].IP != hosts["r"].IP || live[0].Host != "h" {
		t.Fatalf("%+v, %v: want the host %+v", live, err, hosts["r"])
	}
	return hosts["r"].IP
}

func TestAddressOfAReplicaIsThatOfItsConnections(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	if ip := ipOf(t, s.store); ip != "127.0.0.1" {
		t.Errorf("the address is %q", ip)
	}

	// A client with a dialer of its own has the addresses of its connections.
	for local, want := range map[string]string{"10.1.2.3:5": "10.1.2.3", "[::ffff:10.1.2.3]:5": "10.1.2.3", "[2001:db8::7]:5": "2001:db8::7", "0.0.0.0:0": "", "pipe": ""} {
		o := *s.rdb.Options()
		dial := o.Dialer
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			return from{conn, address(local)}, err
		}
		other := redis.NewClient(&o)
		defer other.Close()
		if ip := ipOf(t, newSite(t, other).store); ip != want {
			t.Errorf("the address is %q for a connection from %s, want %q", ip, local, want)
		}
	}
}

// from is a connection with another local address.
type from struct {
	net.Conn
	address
}

func (f from) LocalAddr() net.Addr { return f.address }

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

func TestAddressOfAReplicaOnAClusterIsKnown(t *testing.T) {
	s, _ := onCluster(t, redisserver.StartCluster(t))
	if ip := ipOf(t, s.store); ip != "127.0.0.1" {
		t.Errorf("the address is %q", ip)
	}
}

// A Unix socket has no address, and neither has a client whose connections are unknown. The
// replica joins nevertheless.
func TestReplicaWithoutAnAddressJoins(t *testing.T) {
	mini := miniredis.RunT(t)
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go forward(listener, mini.Addr())
	socket := redis.NewClient(&redis.Options{Network: "unix", Addr: listener.Addr().String()})
	defer socket.Close()
	if ip := ipOf(t, redisstore.New(socket, "socket")); ip != "" {
		t.Errorf("the address of a Unix socket is %q", ip)
	}
	direct := redis.NewClient(&redis.Options{Addr: mini.Addr()})
	defer direct.Close()
	wrapped := struct{ redis.UniversalClient }{direct}
	if ip := ipOf(t, redisstore.New(wrapped, "wrapped")); ip != "" {
		t.Errorf("the address of an unknown client is %q", ip)
	}
}

// The table of former replicas stays within its bound when ten thousand of them have left, and
// keeps the newest.
func TestFormerReplicasAreBounded(t *testing.T) {
	const most = 10_000
	s := newSite(t, redisserver.Shared(t).Client(t))
	left := most + 150
	if !*full { // make soak lets all of them join
		p, now := s.rdb.Pipeline(), s.now(t).UnixMilli()
		for i := range most {
			p.HSet(t.Context(), s.prefix+"former", fmt.Sprint("n", i), `{"host":"h"}`)
			p.ZAdd(t.Context(), s.prefix+"former:left", redis.Z{Score: float64(now - most + int64(i)), Member: fmt.Sprint("n", i)})
			if i%1000 == 999 {
				if _, err := p.Exec(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		left = 150
	}
	for i := range left {
		id := fmt.Sprint("r", i)
		if _, err := s.store.Join(t.Context(), task.Registration{Replica: id, Host: "h", Lease: time.Hour}); err != nil {
			t.Fatal(err)
		}
		if err := s.store.Leave(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	fields, members := s.rdb.HLen(t.Context(), s.prefix+"former").Val(), s.rdb.ZCard(t.Context(), s.prefix+"former:left").Val()
	if fields != most || members != most {
		t.Errorf("%d former replicas and %d times are kept, want %d", fields, members, most)
	}
	newest := fmt.Sprint("r", left-1)
	if hosts, err := s.store.Hosts(t.Context(), "n0", "n149", newest); err != nil || len(hosts) != 1 || hosts[newest].Name != "h" {
		t.Errorf("%+v, %v: want only the newest, %s", hosts, err, newest)
	}
	if size := s.rdb.MemoryUsage(t.Context(), s.prefix+"former").Val() + s.rdb.MemoryUsage(t.Context(), s.prefix+"former:left").Val(); size > 4<<20 {
		t.Errorf("the table takes %d bytes", size)
	}
}

// Maintenance removes former replicas a month after they have left, and none before.
func TestFormerReplicasAreRemovedAfterAMonth(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	s.join(t, "r")
	day := float64((24 * time.Hour).Milliseconds())
	for id, days := range map[string]float64{"old": 31, "week": 7, "almost": 29} {
		s.rdb.HSet(t.Context(), s.prefix+"former", id, `{"host":"h"}`)
		s.rdb.ZAdd(t.Context(), s.prefix+"former:left", redis.Z{Score: float64(s.now(t).UnixMilli()) - days*day, Member: id})
	}
	if _, err := s.store.Maintain(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
	hosts, err := s.store.Hosts(t.Context(), "old", "week", "almost")
	if _, kept := hosts["old"]; err != nil || kept || len(hosts) != 2 {
		t.Errorf("%+v, %v: want those that left 7 and 29 days ago", hosts, err)
	}
	if n := s.rdb.ZCard(t.Context(), s.prefix+"former:left").Val(); n != 2 {
		t.Errorf("%d times are kept", n)
	}
}

// Another program has replaced a key of the former replicas. No replica is kept from leaving or
// from being removed.
func TestSpoiledFormerReplicasKeepNoneFromLeaving(t *testing.T) {
	for _, name := range []string{"former", "former:left"} {
		s := newSite(t, redisserver.Shared(t).Client(t))
		s.join(t, "r", "a")
		s.rdb.Set(t.Context(), s.prefix+name, "x", 0)
		if err := s.store.Leave(t.Context(), "a"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.store.Maintain(t.Context(), "r"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if live, err := s.store.Replicas(t.Context()); err != nil || len(live) != 1 {
			t.Errorf("%s: %+v, %v", name, live, err)
		}
		if hosts, err := s.store.Hosts(t.Context(), "a", "r"); err != nil || len(hosts) > 2 {
			t.Errorf("%s: %+v, %v", name, hosts, err)
		}
	}
}

// A long name takes no more memory than its bound.
func TestTextsOfAHostAreBounded(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	long := strings.Repeat("é", 2000)
	if _, err := s.store.Join(t.Context(), task.Registration{Replica: "r", Host: long, Version: long, Lease: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if hosts, err := s.store.Hosts(t.Context(), "r"); err != nil || len(hosts["r"].Name) > 256 || len(hosts["r"].Version) > 256 || hosts["r"].Name == "" {
		t.Errorf("%+v, %v", hosts, err)
	}
}

// forward connects what a listener accepts to a server.
func forward(from net.Listener, to string) {
	for {
		a, err := from.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", to)
		if err != nil {
			a.Close()
			continue
		}
		go pipe(a, b)
		go pipe(b, a)
	}
}

func pipe(from, to net.Conn) {
	defer to.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
