package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/ltsworker/ltsworker/archive"
	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/internal/redisurl"
)

// consoleFile is the config file of the console. Its keys are explained in docs/console.md.
type consoleFile struct {
	Listen string   `yaml:"listen"`
	Prefix string   `yaml:"prefix"`
	Pools  []string `yaml:"pools"`
	Users  string   `yaml:"users"`
	Open   bool     `yaml:"open"`
	Secure bool     `yaml:"secure"`
	TLS    struct {
		Cert string `yaml:"cert"`
		Key  string `yaml:"key"`
	} `yaml:"tls"`
	Metrics  string   `yaml:"metrics"`
	TraceURL string   `yaml:"trace_url"`
	Alerts   string   `yaml:"alerts"`
	Redact   []string `yaml:"redact"`
	// Archive is a file of SQLite, a DSN of PostgreSQL without a password, or @FILE that holds one.
	Archive string     `yaml:"archive"`
	OIDC    *oidcFile  `yaml:"oidc"`
	Proxy   *proxyFile `yaml:"proxy"`
}

type oidcFile struct {
	Label       string     `yaml:"label"`
	Issuer      string     `yaml:"issuer"`
	ClientID    string     `yaml:"client_id"`
	SecretFile  string     `yaml:"client_secret_file"`
	Redirect    string     `yaml:"redirect"`
	Scopes      []string   `yaml:"scopes"`
	NameClaim   string     `yaml:"name_claim"`
	GroupsClaim string     `yaml:"groups_claim"`
	Grants      grantsFile `yaml:"grants"`
}

type proxyFile struct {
	From         []string   `yaml:"from"`
	UserHeader   string     `yaml:"user_header"`
	GroupsHeader string     `yaml:"groups_header"`
	Grants       grantsFile `yaml:"grants"`
}

type grantsFile struct {
	Everyone map[string]access.Role            `yaml:"everyone"`
	Groups   map[string]map[string]access.Role `yaml:"groups"`
	Users    map[string]map[string]access.Role `yaml:"users"`
}

// readConsoleFile reads a config file of the console. An unknown key is an error.
func readConsoleFile(name string) (c consoleFile, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return c, fmt.Errorf("open the config file: %w", err)
	}
	err = decodeKeys(name, text, &c)
	return c, err
}

// readConsoleSection reads the section of the console in the config file of a replica. An unknown
// key in it is an error.
func readConsoleSection(name string) (c consoleFile, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return c, fmt.Errorf("open the config file: %w", err)
	}
	var file struct {
		Console consoleFile    `yaml:"console"`
		Others  map[string]any `yaml:",inline"` // have been checked
	}
	err = decodeKeys(name, text, &file)
	return file.Console, err
}

// archive returns the file or the DSN of the archive, "" for none.
func (c *consoleFile) archive() (string, error) {
	raw, source := firstSet([2]string{c.Archive, "archive"}, [2]string{os.Getenv("LTS_ARCHIVE"), "LTS_ARCHIVE"})
	if raw == "" {
		return "", nil
	}
	where, err := redisurl.Read(raw)
	if err != nil {
		return "", usagef("%s %v", source, err)
	}
	if source == "archive" && where == raw && archive.HasPassword(where) {
		return "", usagef("archive must not hold a password: put the DSN into the environment as LTS_ARCHIVE, or into a file and write @FILE")
	}
	return where, nil
}

// access returns how users are identified.
func (c *consoleFile) access() (o access.Options, err error) {
	o = access.Options{Path: c.Prefix, Secure: c.Secure, PasswordFile: c.Users, Open: c.Open}
	if c.Proxy != nil {
		o.Proxy = &access.Proxy{From: c.Proxy.From, UserHeader: c.Proxy.UserHeader, GroupsHeader: c.Proxy.GroupsHeader, Grants: access.Grants(c.Proxy.Grants)}
	}
	if f := c.OIDC; f != nil {
		o.OIDC = &access.OIDC{Label: f.Label, Issuer: f.Issuer, ClientID: f.ClientID, ClientSecret: os.Getenv("LTS_OIDC_SECRET"), Redirect: f.Redirect,
			Scopes: f.Scopes, NameClaim: f.NameClaim, GroupsClaim: f.GroupsClaim, Grants: access.Grants(f.Grants)}
		if f.SecretFile != "" {
			secret, err := os.ReadFile(f.SecretFile)
			if err != nil {
				return o, fmt.Errorf("oidc.client_secret_file: %w", err)
			}
			o.OIDC.ClientSecret = strings.TrimSpace(string(secret))
		}
	}
	return o, nil
}
