package egress

import (
	"errors"
	"fmt"
	"net/http"
)

// ErrRedirect is in the error of a request whose redirect is refused.
var ErrRedirect = errors.New("the redirect is not followed")

// redirects returns the CheckRedirect of a client that follows most redirects. The headers
// of a request are sent only to the scheme, host and port that it was made for, and so is
// its body. A redirect elsewhere is followed without them if it needs no body.
func redirects(most int) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		if most == 0 {
			return http.ErrUseLastResponse
		}
		first := via[0]
		sameHost := req.URL.Scheme == first.URL.Scheme && req.URL.Host == first.URL.Host
		noBody := req.Body == nil || req.Body == http.NoBody
		switch {
		case len(via) > most:
			return fmt.Errorf("%w: the limit of %d is reached", ErrRedirect, most)
		case first.URL.Scheme == "https" && req.URL.Scheme != "https":
			return fmt.Errorf("%w: it leads from https to %s", ErrRedirect, req.URL.Scheme)
		case !sameHost && !noBody:
			return fmt.Errorf("%w: it would send the body to another host", ErrRedirect)
		}
		if !sameHost {
			req.Header = http.Header{}
		}
		if noBody { // the signature is that of the body
			for name := range first.Header {
				if isSignature(name) {
					req.Header.Del(name)
				}
			}
		}
		return nil
	}
}

// isSignature reports whether a header belongs to a signature of Standard Webhooks.
func isSignature(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature":
		return true
	}
	return false
}
