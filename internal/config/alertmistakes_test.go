package config

import (
	"strings"
	"testing"
)

// What a file says and the rules would not do is a mistake.
func TestAlertKeysThatWouldMeanAnotherThingAreRefused(t *testing.T) {
	const head = "alerts: {receivers: {a: {webhook: {url: 'https://x.example'}}}, rules: "
	for text, want := range map[string]string{
		head + "{r: {when: replicas, over: 10}}}": "write under",
		head + "{r: {under: 3, when: waiting}}}":  "write over",
		head + "{r: {when: failed, by: []}}}":     "by must name at least one",
		head + "{r: {when: failed, to: []}}}":     "to must name at least one",
		"alerts: {receivers: {a: {webhook: {url: 'https://x.example', headers: {Host: y}}}}, rules: {r: {when: lost}}}":  "Host",
		"alerts: {receivers: {a: {webhook: {url: 'https://x.example', headers: {'X-ü': y}}}}, rules: {r: {when: lost}}}": "X-ü",
	} {
		c := parseFor("f.yaml", []byte(text), true)
		c.OpenAlerts(nil)
		if err := c.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
