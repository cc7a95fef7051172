package access

import (
	"errors"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"

	"github.com/ltsworker/ltsworker/internal/egress"
	"github.com/ltsworker/ltsworker/task"
)

// Proxy configures a trusted reverse proxy.
type Proxy struct {
	// From are the networks of the proxy, such as 10.1.0.0/16, and single addresses.
	// Requests from other addresses have no identity, whatever their headers. Networks
	// larger than a /8 are refused. From a proxy, the header X-Forwarded-For gives the
	// address that failed logins are counted for, and X-Forwarded-Proto says whether the
	// browser uses TLS.
	From []string
	// UserHeader is the header that holds the name of the user. The proxy must remove it
	// from the requests that it gets. Default: none, the proxy identifies no user.
	UserHeader string
	// GroupsHeader is the header that holds the groups of the user, separated by commas.
	// Default: none.
	GroupsHeader string
	// Grants are the roles of the users. With UserHeader they are needed.
	Grants Grants
}

// minBits is the shortest prefix that From may have.
const minBits = 8

// proxies is a checked Proxy.
type proxies struct {
	Proxy
	networks []netip.Prefix
}

func newProxies(p *Proxy) (*proxies, error) {
	var errs []error
	mistake := func(field, msg string) {
		errs = append(errs, &task.FieldError{Field: "proxy." + field, Msg: msg})
	}
	networks, err := egress.ParseNetworks("proxy.from", p.From)
	errs = append(errs, err)
	if len(p.From) == 0 {
		mistake("from", "is missing: name the network of the proxy")
	}
	for _, n := range networks {
		if n.Bits() < minBits {
			mistake("from", "has "+n.String()+", which holds more than the addresses of a proxy: each address in it could claim to be any user")
		}
	}
	for field, header := range map[string]string{"user_header": p.UserHeader, "groups_header": p.GroupsHeader} {
		switch textproto.CanonicalMIMEHeaderKey(header) {
		case "":
		case "Host", "Cookie", "Origin", "X-Forwarded-For", "X-Forwarded-Proto":
			mistake(field, "must not be "+header+", which has another meaning")
		default:
			if strings.ContainsFunc(header, func(c rune) bool {
				return c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z')
			}) {
				mistake(field, "must be the name of a header, of letters, digits and -")
			}
		}
	}
	if p.UserHeader == "" {
		if p.GroupsHeader != "" {
			mistake("groups_header", "needs user_header")
		}
	} else {
		if strings.EqualFold(p.UserHeader, p.GroupsHeader) {
			mistake("groups_header", "must not be user_header")
		}
		errs = append(errs, p.Grants.check("proxy.grants"))
	}
	return &proxies{*p, networks}, errors.Join(errs...)
}

// peer returns the address that the request comes from, the zero Addr if it is unknown.
func peer(r *http.Request) netip.Addr {
	p, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap().WithZone("")
}

// trusts reports whether the address is one of the proxy. It is false for a nil p.
func (p *proxies) trusts(addr netip.Addr) bool {
	return p != nil && slices.ContainsFunc(p.networks, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// client returns the address of the browser: the last one in X-Forwarded-For that is not of
// the proxy. A client can write all entries before it.
func (p *proxies) client(r *http.Request) netip.Addr {
	addr := peer(r)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !p.trusts(addr) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		addr = next.Unmap().WithZone("")
	}
	return addr
}

// secure reports whether the browser uses TLS to the proxy.
func (p *proxies) secure(r *http.Request) bool {
	return p.trusts(peer(r)) && r.Header.Get("X-Forwarded-Proto") == "https"
}

// user returns the user that the header of the proxy names. It returns nil without an error
// if the request has no such header or comes from another address.
func (p *proxies) user(r *http.Request) (*User, error) {
	if p == nil || p.UserHeader == "" || !p.trusts(peer(r)) {
		return nil, nil
	}
	names := r.Header.Values(p.UserHeader)
	if len(names) == 0 {
		return nil, nil
	}
	// A proxy that adds its header to that of the client sends two.
	if len(names) > 1 {
		return nil, errors.New("the proxy sent several headers " + p.UserHeader)
	}
	if err := task.CheckName(names[0]); err != nil {
		return nil, errors.New("the user in the header " + p.UserHeader + " " + err.Error())
	}
	var groups []string
	if p.GroupsHeader != "" {
		lists := r.Header.Values(p.GroupsHeader)
		if len(lists) > 1 {
			return nil, errors.New("the proxy sent several headers " + p.GroupsHeader)
		}
		for _, list := range lists {
			for group := range strings.SplitSeq(list, ",") {
				groups = append(groups, strings.TrimSpace(group))
			}
		}
	}
	return &User{Name: names[0], Method: MethodProxy, Roles: p.Grants.roles(names[0], groups)}, nil
}
