package access

import "testing"

// Sessions, and logins at a provider that have begun, are of one process: a second one does not know them.
func TestLoginIsKnownToItsProcessOnly(t *testing.T) {
	i := newIssuer(t)
	one, two := newGate(t, Options{OIDC: oidcOptions(i.URL)}), newGate(t, Options{OIDC: oidcOptions(i.URL)})
	b := newBrowser(t, one)
	back := b.visit(b.start(""))
	b.g = two
	if _, err := b.finish(back); err == nil {
		t.Error("a login ends at a process that has not begun it")
	}
	b.g = one
	if err := b.loginOIDC(); err != nil || b.user() == nil {
		t.Fatal(err)
	}
	if b.g = two; b.user() != nil || len(two.Sessions()) != 0 || len(one.Sessions()) != 1 {
		t.Error("another process knows the session")
	}
}
