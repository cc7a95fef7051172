package access

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/ltsworker/ltsworker/task"
)

// The paths below Options.Path that the server has to give to the methods of the Gate.
const (
	OIDCStart  = "/login/oidc"          // GET: Gate.StartOIDC
	OIDCFinish = "/login/oidc/callback" // GET: Gate.FinishOIDC
)

// OIDC configures a login with OpenID Connect. The ID token must have all claims that are
// used. Roles are those at the login: a change at the provider takes effect with the next
// one.
type OIDC struct {
	// Label is what the login page calls the provider. Default: the host of Issuer.
	Label string
	// Issuer is the URL of the provider, below which it serves
	// .well-known/openid-configuration. It must be https, except on loopback addresses. The
	// first login reads it.
	Issuer string
	// ClientID and ClientSecret are those that the provider has given to the console. A
	// client without a secret is possible, since PKCE is always used.
	ClientID     string
	ClientSecret string
	// Redirect is the URL of the console that the provider sends the browser back to. Its
	// path is Options.Path with OIDCFinish. It must be registered at the provider.
	Redirect string
	// Scopes are requested besides openid. Default: profile, email.
	Scopes []string
	// NameClaim is the claim with the name of the user. The values of the claim must be
	// unique at the provider and must not be free for users to choose. Of email, the claim
	// email_verified must be true. Default: email.
	NameClaim string
	// GroupsClaim is the claim with the groups of the user, a list or a single text.
	// Default: groups.
	GroupsClaim string
	// Grants are the roles of the users. A user without any role cannot log in.
	Grants Grants
	// Client makes the requests to the provider. Default: a client with a time limit of 10
	// seconds.
	Client *http.Client
}

const oidcTimeout = 10 * time.Second

// provider is the provider of a checked OIDC.
type provider struct {
	OIDC
	// asking is held while the fields below are used.
	asking   chan struct{}
	found    *oidc.Provider // nil until it has answered
	verifier *oidc.IDTokenVerifier
}

func newProvider(o *OIDC, path string) (*provider, error) {
	p := &provider{OIDC: *o, asking: make(chan struct{}, 1)}
	var errs []error
	mistake := func(field, msg string) {
		errs = append(errs, &task.FieldError{Field: "oidc." + field, Msg: msg})
	}
	issuer, err := checkURL(p.Issuer)
	if err != nil {
		mistake("issuer", err.Error())
	} else if p.Label == "" {
		p.Label = issuer.Host
	}
	if p.ClientID == "" {
		mistake("client_id", "is missing")
	}
	want := strings.TrimSuffix(path, "/") + OIDCFinish
	if redirect, err := checkURL(p.Redirect); err != nil {
		mistake("redirect", err.Error())
	} else if redirect.Path != want {
		mistake("redirect", "must have the path "+want)
	}
	if p.Scopes == nil {
		p.Scopes = []string{"profile", "email"}
	}
	if p.NameClaim == "" {
		p.NameClaim = "email"
	}
	if p.GroupsClaim == "" {
		p.GroupsClaim = "groups"
	}
	if p.Client == nil {
		p.Client = &http.Client{Timeout: oidcTimeout}
	}
	errs = append(errs, p.Grants.check("oidc.grants"))
	return p, errors.Join(errs...)
}

// checkURL parses a URL that secrets are sent to.
func checkURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return nil, errors.New("is missing")
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("must be a URL such as https://login.example.com/realm, without a user, a query and a fragment")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	}
	return nil, errors.New("must begin with https://")
}

// ask returns what the provider says about itself. It is asked until it has answered once.
func (p *provider) ask(ctx context.Context) (oauth2.Config, *oidc.IDTokenVerifier, error) {
	select {
	case p.asking <- struct{}{}:
		defer func() { <-p.asking }()
	case <-ctx.Done():
		return oauth2.Config{}, nil, context.Cause(ctx)
	}
	if p.found == nil {
		found, err := oidc.NewProvider(ctx, p.Issuer)
		if err != nil {
			return oauth2.Config{}, nil, err
		}
		p.found, p.verifier = found, found.Verifier(&oidc.Config{ClientID: p.ClientID})
	}
	return oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: p.found.Endpoint(), RedirectURL: p.Redirect,
		Scopes: append([]string{oidc.ScopeOpenID}, p.Scopes...),
	}, p.verifier, nil
}

// user returns the user of a checked ID token.
func (p *provider) user(token *oidc.IDToken) (*User, error) {
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return nil, err
	}
	// A token for several parties names the one that it was made for.
	if azp, ok := claims["azp"]; ok && azp != p.ClientID {
		return nil, errors.New("the ID token was made for another client")
	}
	name, _ := claims[p.NameClaim].(string)
	if name == "" {
		return nil, fmt.Errorf("the ID token has no claim %s; it has %s", p.NameClaim, strings.Join(slices.Sorted(maps.Keys(claims)), ", "))
	}
	if p.NameClaim == "email" && claims["email_verified"] != true {
		return nil, errors.New("the provider has not verified the email address: the claim email_verified is not true")
	}
	if err := task.CheckName(name); err != nil {
		return nil, fmt.Errorf("the claim %s %w", p.NameClaim, err)
	}
	var groups []string
	switch value := claims[p.GroupsClaim].(type) {
	case string:
		groups = []string{value}
	case []any:
		for _, one := range value {
			if group, ok := one.(string); ok {
				groups = append(groups, group)
			}
		}
	}
	u := &User{Name: name, Method: MethodOIDC, Roles: p.Grants.roles(name, groups)}
	if u.Roles == nil {
		return nil, fmt.Errorf("%s: %w", name, ErrNoRole)
	}
	return u, nil
}
