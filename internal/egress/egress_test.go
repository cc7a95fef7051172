package egress

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

func TestOnlyPublicAddressesAreAdmitted(t *testing.T) {
	for _, c := range []struct {
		admitted bool
		addrs    string
	}{
		{true, "1.1.1.1 93.184.216.34 2606:4700:4700::1111 ::ffff:1.1.1.1 64:ff9b::101:101"},
		{false, "127.0.0.1 127.255.255.254 ::1 0.0.0.0 ::"},                                                           // loopback, unspecified
		{false, "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 fc00::1 fd12:3456::1 100.64.0.1 fec0::1"},             // private
		{false, "169.254.1.1 fe80::1 fe80::1%eth0 fe80::1%1"},                                                         // link-local
		{false, "224.0.0.1 239.1.1.1 ff02::1 255.255.255.255 240.0.0.1"},                                              // multicast, reserved
		{false, "169.254.169.254 169.254.170.2 fd00:ec2::254 100.100.100.200 192.0.0.192 168.63.129.16 fd20:ce::254"}, // metadata
		{false, "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:168.63.129.16"},                       // mapped
		{false, "64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b::a9fe:a9fe 64:ff9b::a83f:8110 64:ff9b:1::a00:1"},              // NAT64
		{false, "2002:7f00:1::1 2002:a00:1::1 2002:a9fe:a9fe::1 2001:0:4136:e378:8000:63bf:3fff:fdd2"},                // 6to4, Teredo
		{false, "::7f00:1 ::ffff:0:7f00:1 2001:db8::1 198.18.0.1 192.0.2.1 203.0.113.9"},                              // others
	} {
		for text := range strings.FieldsSeq(c.addrs) {
			err := NewGuard(nil).Check(netip.MustParseAddr(text))
			if (err == nil) != c.admitted || err != nil && !errors.Is(err, ErrAddress) {
				t.Errorf("%s: %v, want admitted: %v", text, err, c.admitted)
			}
		}
	}
}

func TestNetworksOfTheConfigAreAdmitted(t *testing.T) {
	networks, err := ParseNetworks("networks", []string{"10.1.0.0/16", "127.0.0.1", "fe80::/10", "168.63.129.16"})
	if err != nil {
		t.Fatal(err)
	}
	g := NewGuard(networks)
	for text, want := range map[string]bool{
		"10.1.2.3": true, "10.2.0.1": false, "127.0.0.1": true, "127.0.0.2": false, "::ffff:10.1.2.3": true, "64:ff9b::a01:203": true,
		"::1": false, "fe80::1%eth0": true, "168.63.129.16": true, "8.8.8.8": true,
	} {
		if err := g.Check(netip.MustParseAddr(text)); (err == nil) != want {
			t.Errorf("%s: %v, want admitted: %v", text, err, want)
		}
	}
}

func TestUnusableNetworksAreReportedAtOnce(t *testing.T) {
	_, err := ParseNetworks("networks", []string{"10.0.0.0/8", "10.1.2.3/8", "intranet", "::ffff:10.0.0.0/104", ""})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"networks[1] must be the network 10.0.0.0/8 or the address 10.1.2.3, not 10.1.2.3/8",
		`networks[2] must be a network such as 10.1.0.0/16 or fd00:1::/64, not "intranet"`, "networks[3] must be", `networks[4] must be`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no problem %q in\n%v", want, err)
		}
	}
}

// listen starts a server at an address of this machine, which counts its connections.
func listen(t *testing.T, address string, h http.HandlerFunc) (s *httptest.Server, connections *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	connections = &atomic.Int64{}
	s = &httptest.Server{Listener: l, Config: &http.Server{Handler: h, ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}}}
	s.Start()
	t.Cleanup(s.Close)
	return s, connections
}

func only(t *testing.T, networks ...string) []netip.Prefix {
	t.Helper()
	parsed, err := ParseNetworks("networks", networks)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func get(t *testing.T, c *http.Client, url string) (string, error) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

// A name that resolves to an admitted address first and to another one later is checked
// at each connection.
func TestNameThatIsReboundIsRefusedAtTheConnection(t *testing.T) {
	s, connections := listen(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		io.WriteString(w, "public")
	})
	inside, insideConnections := listen(t, "127.0.0.2:"+port(s), func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "inside") })
	c := NewClient(Options{Networks: only(t, "127.0.0.1"), Resolver: names(t, func(n int) netip.Addr {
		if n == 1 {
			return netip.MustParseAddr("127.0.0.1")
		}
		return netip.MustParseAddr("127.0.0.2")
	})})
	url := "http://service.test.:" + port(inside) + "/"
	if body, err := get(t, c, url); err != nil || body != "public" {
		t.Fatalf("%q, %v", body, err)
	}
	if body, err := get(t, c, url); !errors.Is(err, ErrAddress) {
		t.Errorf("after the change: %q, %v", body, err)
	}
	if connections.Load() != 1 || insideConnections.Load() != 0 {
		t.Errorf("%d and %d connections, want 1 and 0", connections.Load(), insideConnections.Load())
	}
}

func port(s *httptest.Server) string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return port
}

// proxied counts the requests to the proxy that the environment names.
var proxied atomic.Int64

// TestMain sets the variables before any request: net/http reads them once.
func TestMain(m *testing.M) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied.Add(1) }))
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		os.Setenv(name, proxy.URL)
	}
	code := m.Run()
	proxy.Close()
	os.Exit(code)
}

func TestProxyVariablesAreIgnored(t *testing.T) {
	s, _ := listen(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "service") })
	c := NewClient(Options{Networks: only(t, "127.0.0.1"), Resolver: names(t, func(int) netip.Addr { return netip.MustParseAddr("127.0.0.1") })})
	// The variables do not apply to localhost, so the request needs another name.
	if body, err := get(t, c, "http://service.test.:"+port(s)); err != nil || body != "service" || proxied.Load() != 0 {
		t.Errorf("%q, %v, %d requests to the proxy", body, err, proxied.Load())
	}
}
