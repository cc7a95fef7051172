// Package egress makes HTTP requests to services that a configuration names. It refuses
// addresses of internal networks. It checks each address when it connects, after the name was
// resolved, so that neither a name nor a redirect leads there.
package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"github.com/ltsworker/ltsworker/task"
)

// Options configure a client.
type Options struct {
	// Networks are networks that may be connected to although their addresses are not
	// public: see Guard.
	Networks []netip.Prefix
	// Redirects is how many redirects a request follows. Default: none, the redirect is
	// the response.
	Redirects int
	// Resolver resolves names. Default: net.DefaultResolver.
	Resolver *net.Resolver
}

const (
	connectTimeout = 10 * time.Second
	// idleTimeout is shorter than that of common servers: a request that is sent while the server
	// closes the connection fails, and it is not known whether it was processed.
	idleTimeout = 2 * time.Second
	// maxHeader is the size of the header of a response in bytes.
	maxHeader = 64 << 10
)

// NewDialer returns a dialer that connects only to addresses that its Guard admits. Redirects of
// the options mean nothing for it.
func NewDialer(o Options) *net.Dialer {
	return &net.Dialer{
		Timeout: connectTimeout, KeepAlive: 30 * time.Second, Resolver: o.Resolver,
		ControlContext: NewGuard(o.Networks).control,
	}
}

// NewClient returns a client that connects only to addresses that its Guard admits. It
// ignores the proxy variables of the environment, because the proxy would connect in its
// place. It does not decompress bodies, so their length is the one that was received. It
// has no time limit besides those of a connection: requests need a context with one.
func NewClient(o Options) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: NewDialer(o).DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: connectTimeout,
			MaxIdleConnsPerHost: 16, IdleConnTimeout: idleTimeout,
			MaxResponseHeaderBytes: maxHeader, DisableCompression: true,
		},
		CheckRedirect: redirects(o.Redirects),
	}
}

// ErrAddress is in the error of a request whose address is refused. Nothing was sent.
var ErrAddress = errors.New("refused")

// Guard says which addresses may be connected to: those of the public internet and those
// of its networks. Addresses with special meaning are not public: private, loopback,
// link-local, multicast and reserved ones, and those of the metadata services of clouds.
// An address that contains one of IPv4, as mapped or by NAT64, is admitted if that one is.
type Guard struct{ guardian *ssrf.Guardian }

// azureWire is the address of services of Azure for its virtual machines. It looks public.
var azureWire = netip.MustParsePrefix("168.63.129.16/32")

// NewGuard returns a guard that also admits the addresses of networks.
func NewGuard(networks []netip.Prefix) *Guard {
	var v4, v6 []netip.Prefix
	for _, n := range networks {
		if n.Addr().Is4() {
			v4 = append(v4, n)
		} else {
			v6 = append(v6, n)
		}
	}
	return &Guard{ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...),
		ssrf.WithAllowedV6Prefixes(v6...), ssrf.WithDeniedV4Prefixes(azureWire))}
}

// Check returns an error that wraps ErrAddress if the address may not be connected to.
func (g *Guard) Check(addr netip.Addr) error {
	inner := addr.WithZone("").Unmap()
	err := g.guardian.SafeAddr(inner)
	if err != nil && ssrf.IPv6NAT64Prefix.Contains(inner) {
		b := inner.As16()
		err = g.guardian.SafeAddr(netip.AddrFrom4([4]byte(b[12:])))
	}
	if err != nil {
		return fmt.Errorf("the connection to %v is %w: the address is not public; if the service is there, add its network to networks", addr, ErrAddress)
	}
	return nil
}

// control is called by a dialer for each address before it connects.
func (g *Guard) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("the connection over %s is %w: only TCP is allowed", network, ErrAddress)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("the connection is %w: its address cannot be read", ErrAddress)
	}
	return g.Check(to.Addr())
}

// ParseNetworks parses networks such as 10.1.0.0/16, and single addresses. The error joins
// a *task.FieldError for each one that cannot be used.
func ParseNetworks(field string, texts []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	var errs []error
	for i, text := range texts {
		n, err := netip.ParsePrefix(text)
		if addr, e := netip.ParseAddr(text); e == nil && addr.Zone() == "" {
			n, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		switch {
		case err != nil || n.Addr().Is4In6():
			err = fmt.Errorf("must be a network such as 10.1.0.0/16 or fd00:1::/64, not %q", text)
		case n != n.Masked():
			err = fmt.Errorf("must be the network %v or the address %v, not %s", n.Masked(), n.Addr(), text)
		default:
			networks = append(networks, n)
			continue
		}
		errs = append(errs, &task.FieldError{Field: field + "[" + strconv.Itoa(i) + "]", Msg: err.Error()})
	}
	return networks, errors.Join(errs...)
}
